"""What an OpenAPI document says before its operations: what the API is for, and the groups of the operations."""

from __future__ import annotations

TAGS = {
    "Templates": "Find, create, edit and delete templates, and select the ones that fit.",
    "History": "The audit trail: who changed what, and when. Compare, revert and restore.",
    "Claims": "Which workers use a template, and until when.",
    "Files": "The definition files: validate, compare with the database, plan and sync.",
}
"""The groups of the operations by name, in the order in which Swagger UI shows them, and what each is for."""

_INTRODUCTION = """\
A **worker template** is a named definition of the machines that an app launches. Templates are seeded from definition
files, and managed here.

- **Revisions.** Each change makes a new revision. It is the `ETag`. Send it back in `If-Match`, and the change is made
  at that revision only. If somebody else was faster, the answer is 412.
- **Claims.** A worker claims the template that it runs. A claimed template cannot be deleted. With `ttl_seconds` the
  claim is a lease, which ends unless it is renewed.
- **Errors** have `code`, `status`, `message` and `errors`, which names each faulty field.

To call an operation from this page, open it and press *Try it out*."""


def introduction(login_url: str | None) -> str:
    """Return the introduction of the document, in Markdown.

    Args:
        login_url: where people sign in to the app; None if the app names no such page.
    """
    if login_url is None:
        return f"{_INTRODUCTION} If the app asks who you are, sign in to it first.\n"
    return f"{_INTRODUCTION} If the answer is 401, [sign in](<{login_url}>) first.\n"
