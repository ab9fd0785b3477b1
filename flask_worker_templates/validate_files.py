"""``worker-templates-validate``: check definition files where there is no app, as in a pre-commit hook.

The same check and the same output as ``flask worker-templates validate``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .cli import escape_what_cannot_be_printed, report_validity, validity_format_option
from .files import read_files


@click.command("worker-templates-validate")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@validity_format_option
def main(paths: tuple[str, ...], kind: str) -> None:
    """Check definition files as one set: files, directories and globs.

    Exit codes: 0 valid, 1 not. Every fault is printed as path:line:column: field: message.
    """
    escape_what_cannot_be_printed()
    here = Path.cwd()
    sys.exit(report_validity(lambda: read_files(paths, root=here), kind, root=here))


if __name__ == "__main__":
    main()
