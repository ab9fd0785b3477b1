"""The package's exceptions: types with data. The edges (HTTP, CLI) turn them into codes and sentences."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._messages import flattened, in_plain_words


class WorkerTemplatesError(Exception):
    """Base of every exception that this package raises on purpose. All of them can be pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is made again from its message, which is not what these take: one that crosses
        # processes (`multiprocessing`, Celery) would fail there, or hang the pool for ever.
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(kind: type[WorkerTemplatesError], args: tuple[Any, ...], state: dict[str, Any]) -> WorkerTemplatesError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class SettingsError(WorkerTemplatesError, ValueError):
    """A ``WORKER_TEMPLATES_*`` key is unknown or has a value it cannot take; raised by ``init_app``."""


class InvalidInput(WorkerTemplatesError, ValueError):
    """Input breaks the rules; holds every error at once.

    Attributes:
        errors: field name to messages, nested as the spec is:
            ``{"capacity": {"cpu_cores": ["Required."]}}``.
    """

    def __init__(self, errors: Mapping[str, Any]) -> None:
        self.errors: dict[str, Any] = in_plain_words(errors)
        super().__init__("; ".join(f"{path}: {text}" if path else text for path, text in self.flat()))

    def flat(self) -> list[tuple[str, str]]:
        """Return ``(dotted path, message)`` for every error; the path is empty for the spec as a whole."""
        return list(flattened(self.errors, ""))


class InvalidSpec(InvalidInput):
    """A spec breaks the rules of the template table."""


class HostSchemaError(WorkerTemplatesError):
    """The app's schema of ``extra`` did not do its part; nothing is written.

    Attributes:
        field: the path of the field, such as ``extra.gpu``.
    """

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field} {reason}. This is an error of the schema that the app passes as `extra`.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again, for what is passed between processes."""
        return type(self), (self.field, self.reason)


class InvalidParameters(InvalidInput):
    """Parameters of a query, or a worker id, have values that they cannot take."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a definition file, and where."""

    path: str
    line: int | None
    column: int | None
    field: str | None
    message: str

    def __str__(self) -> str:
        """Return ``path:line:column: field: message`` without the parts that are not known."""
        place = ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)
        return ": ".join(part for part in (place, self.field, self.message) if part)


class InvalidFiles(WorkerTemplatesError, ValueError):
    """Definition files cannot be used; holds every fault of every file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class TemplateNotFound(WorkerTemplatesError, LookupError):
    """No template has this id or name."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"There is no worker template {key!r}.")


class RevisionNotFound(WorkerTemplatesError, LookupError):
    """The template never had this revision."""

    def __init__(self, template_id: str, revision: int) -> None:
        self.template_id = template_id
        self.revision = revision
        super().__init__(f"Worker template {template_id!r} has no revision {revision}.")


class NameTaken(WorkerTemplatesError):
    """Another template has this name.

    Attributes:
        template_id: the id of the template that has it, or None where it was gone again when asked.
        blocked: what is wrong with the document that has it, if that is no template; else None.
    """

    def __init__(self, name: str, template_id: str | None, blocked: str | None = None) -> None:
        self.name = name
        self.template_id = template_id
        self.blocked = blocked
        if blocked is None:
            super().__init__(f"A worker template named {name!r} already exists.")
        else:
            super().__init__(
                f"The name {name!r} cannot be used: a document in the database that is not a worker template has it "
                f"({blocked}). Use another name, or correct or remove that document."
            )


class RevisionMismatch(WorkerTemplatesError):
    """The template is not at a revision that the caller allowed (HTTP 412)."""

    def __init__(self, template_id: str, current: int) -> None:
        self.template_id = template_id
        self.current = current
        super().__init__(
            f"Worker template {template_id!r} is at revision {current}, which the given condition does not allow: read "
            "it again before you repeat the request."
        )


class TemplateKeepsChanging(WorkerTemplatesError):
    """A check of the host had to be asked again too often, because the template changed each time. Nothing was written.

    Attributes:
        rounds: how often the check was asked.
    """

    def __init__(self, template_id: str, rounds: int) -> None:
        self.template_id = template_id
        self.rounds = rounds
        super().__init__(
            f"Nothing was written: worker template {template_id!r} changed each of the {rounds} times that a check of "
            "this app (its authorizer or its usage check) was asked about it. Try again later. If it happens every "
            "time, a check itself changes the template: it must not do that."
        )


class RestoreRefused(WorkerTemplatesError):
    """A template cannot be restored: it is not deleted, or others are at it."""

    def __init__(self, template_id: str, reason: str) -> None:
        self.template_id = template_id
        self.reason = reason
        super().__init__(f"Worker template {template_id!r} cannot be restored: it {reason}.")


class TemplateInUse(WorkerTemplatesError):
    """The template cannot be deleted, because workers use it.

    Attributes:
        claims: how many workers claim it.
        workers: the first few of their ids.
        reason: what the host's usage check said, or None.
    """

    def __init__(self, name: str, *, claims: int = 0, workers: Sequence[str] = (), reason: str | None = None) -> None:
        self.name = name
        self.claims = claims
        self.workers = list(workers)
        self.reason = reason
        if reason is None:
            shown = ", ".join(self.workers) + (", …" if claims > len(self.workers) else "")
            reason = f"{'1 worker claims' if claims == 1 else f'{claims} workers claim'} it ({shown})"
        super().__init__(f"Worker template {name!r} is in use and cannot be deleted: {reason}.")


class ClaimRefused(WorkerTemplatesError):
    """A template takes no new claim. Workers that have one keep it, and can renew it."""

    reason: str = "refused"

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        super().__init__(f"Worker template {name!r} {why}.")


class TemplateDisabled(ClaimRefused):
    """A disabled template cannot be claimed."""

    reason = "disabled"

    def __init__(self, name: str) -> None:
        super().__init__(name, "is disabled and cannot be claimed")


class TemplateDeprecated(ClaimRefused):
    """A deprecated template cannot be claimed.

    Attributes:
        message: what the deprecation says.
        replaced_by: name of the template to use instead, or None.
    """

    reason = "deprecated"

    def __init__(self, name: str, message: str, replaced_by: str | None) -> None:
        self.message = message
        self.replaced_by = replaced_by
        instead = "" if replaced_by is None else f"; use {replaced_by!r} instead"
        super().__init__(name, f"is deprecated and takes no new claims: {message.rstrip('.')}{instead}")


class TemplateFull(ClaimRefused):
    """As many workers claim the template as may at a time.

    Attributes:
        claims: how many claims are live.
        limit: the most that there may be: the template's ``max_claims``, or the bound of the app.
    """

    reason = "full"

    def __init__(self, name: str, claims: int, limit: int) -> None:
        self.claims = claims
        self.limit = limit
        super().__init__(name, f"is full: {claims} workers claim it, and at most {limit} may at a time")


class DuplicateNames(WorkerTemplatesError):
    """The collection holds several templates of one name, because the unique index on names is not there.

    It cannot be made then, and the templates cannot be compared with definition files or exported.

    Attributes:
        names: how often each of them is there, of the first few.
        more: whether there are others.
    """

    MAX_LISTED = 20
    """The maximum number of names in the message."""

    def __init__(self, names: Mapping[str, int], collection: str) -> None:
        self.names = dict(itertools.islice(names.items(), self.MAX_LISTED))
        self.more = len(names) > self.MAX_LISTED
        listed = ", ".join(f"{name!r} ({count} times)" for name, count in self.names.items())
        listed += ", and more" * self.more
        super().__init__(
            f"The collection {collection!r} holds several templates of the same name: {listed}. "
            "Rename or remove all but one of each; nothing was changed or deleted."
        )


class DatabaseUnavailable(WorkerTemplatesError):
    """MongoDB did not carry the operation out: unreachable, too slow, or it refused.

    Whether a write was carried out is not known to the caller; reading again tells.

    Attributes:
        retry_after: seconds after which trying again makes sense.
    """

    def __init__(self, reason: str, *, retry_after: int = 5) -> None:
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(f"The worker template database is not available: {reason}")


class DatabaseRefused(WorkerTemplatesError):
    """MongoDB refuses a write, and would refuse it again (HTTP 409). Nothing was written.

    Attributes:
        reason: why, as the end of a sentence.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The worker template database refuses this: {reason}")


class NotReady(WorkerTemplatesError):
    """The extension could not be made ready (seeding failed), so that it serves nothing.

    Attributes:
        retry_after: seconds until it is tried again, or None where only a change of files or data will help.
    """

    def __init__(self, reason: str, *, retry_after: int | None = None) -> None:
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(reason)


class NotAllowed(WorkerTemplatesError):
    """The caller may not do this (HTTP 403)."""


class InvalidPlan(WorkerTemplatesError, ValueError):
    """A file is no plan document of a sync; holds everything that is wrong with it."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("This plan cannot be used: " + "; ".join(self.problems))


class SyncRefused(WorkerTemplatesError):
    """A sync did not begin; nothing was written.

    Attributes:
        reasons: every reason, in sentences.
        conflict: whether files and database, or those who use it, contradict each other, so that a person must decide;
            otherwise the options of the sync are wrong.
    """

    def __init__(self, reasons: Sequence[str], *, conflict: bool) -> None:
        self.reasons = tuple(reasons)
        self.conflict = conflict
        super().__init__("\n".join(self.reasons))


class ExportRefused(WorkerTemplatesError):
    """An export to files did not begin; nothing was written.

    Attributes:
        reasons: every reason, in sentences.
        conflict: whether somebody else changed a file at the same time; trying again helps.
    """

    def __init__(self, reasons: Sequence[str], *, conflict: bool = False) -> None:
        self.reasons = tuple(reasons)
        self.conflict = conflict
        super().__init__("\n".join(self.reasons))
