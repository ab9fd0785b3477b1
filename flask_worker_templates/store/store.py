"""The door to MongoDB: everything that is read or written of templates goes through a `Store`.

Its methods stand in the parts that it is made of: `reads`, `writes`, `claims`, `claim_list` and `origins`. The writes
follow the protocol of `commit`, in the loop of `loop`; histories are read by `audit`.
"""

from __future__ import annotations

from .claim_list import ClaimReads
from .claim_rules import ClaimRules
from .claims import Claims
from .indexes import ensure_indexes
from .loop import Guard, Precondition
from .origins import Origins
from .part import Observer
from .reads import Reads
from .writes import Progress, Writes

__all__ = ["ClaimRules", "Guard", "Observer", "Precondition", "Progress", "Store"]


class Store(Reads, Writes, ClaimReads, Claims, Origins):
    """The templates and their audit trail in one database.

    Every method raises `DatabaseUnavailable` where MongoDB does not do its part within the time limit.

    Args:
        access: the way to the database.
        observer: told of every change after its write.
        rules: those of claims.
        claim_observer: told of every claim after it was made or ended.
    """

    def prepare(self) -> None:
        """Make sure that the indexes are there; where they are, nothing is written.

        Raises:
            DuplicateNames: if the collection holds several templates of one name.
        """
        with self._access.operation() as db:
            ensure_indexes(db)
