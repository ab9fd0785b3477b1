"""The door to MongoDB: everything that is read or written of templates goes through a `Store`.

Its methods stand in the parts that it is made of: `reads`, `whole_reads`, `revisions`, `create`, `change`, `delete`,
`restore`, `claims`, `claim_list`, `origins` and `overview`. The writes follow the protocol of `commit`, in the loop of
`loop`; histories are read by `audit`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .change import Changes
from .claim_list import ClaimReads
from .claim_rules import ClaimRules
from .claims import Claims
from .create import Creations, Progress
from .delete import Deletions
from .indexes import Missing, build, ensure_indexes
from .loop import Guard, Precondition
from .origins import Origins
from .overview import Overviews
from .part import Observer
from .restore import Restorations
from .revisions import Revisions
from .whole_reads import WholeReads

__all__ = ["ClaimRules", "Guard", "Observer", "Precondition", "Progress", "Store"]


class Store(WholeReads, Revisions, Creations, Changes, Deletions, Restorations, ClaimReads, Claims, Origins, Overviews):
    """The templates and their audit trail in one database.

    Every method raises `DatabaseUnavailable` where MongoDB does not do its part within the time limit.

    Args:
        access: the way to the database.
        observer: told of every change after its write.
        rules: those of claims.
        claim_observer: told of every claim after it was made or ended.
    """

    def make_indexes(self, *, wait: bool = False) -> None:
        """Make sure that the indexes are there; where they are, nothing is written.

        Those that are missing on a large collection are built without a time limit: the unique one on names at once,
        because nothing is right without it, the others in the background.

        Args:
            wait: whether to wait for all of them.

        Raises:
            DuplicateNames: if the collection holds several templates of one name.
        """
        with self._access.operation() as db:
            left = ensure_indexes(db)
        now = [missing for missing in left if wait or missing.is_needed]
        later = [missing for missing in left if missing not in now]
        self._build(now)
        if later:
            names = [name for missing in later for name in missing.names]
            db.builds.start(names, lambda: self._build(later))

    def _build(self, left: Sequence[Missing]) -> None:
        for missing in left:
            with self._access.long_operation() as db:
                build(db, missing)
