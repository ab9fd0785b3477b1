"""Fetch the console's vendored files from npm again, or check that they are what they should be.

Usage: ``python3 .ci/vendor_assets.py [--fetch]``. Without an option nothing is fetched: the files are compared with the
SHA-256 sums in ``vendor.json``. With ``--fetch`` the packages are packed by npm, the sums compared, the files replaced.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent.parent / "flask_worker_templates" / "console" / "static" / "vendor"
DERIVED = "bootstrap-auto.css"


def main(fetch: bool) -> None:
    """Check or fetch each file of ``vendor.json``.

    Raises:
        SystemExit: if a file is not what its sum says.
    """
    for package in json.loads((VENDOR / "vendor.json").read_text(encoding="utf-8")):
        contents = packed(package["name"], package["version"], package["files"]) if fetch else {}
        for name, file in package["files"].items():
            content = contents.get(name) or (VENDOR / name).read_bytes()
            found = hashlib.sha256(content).hexdigest()
            if found != file["sha256"]:
                sys.exit(
                    f"{name} of {package['name']} {package['version']} has the SHA-256 {found}, not {file['sha256']}"
                )
            if fetch:
                (VENDOR / name).write_bytes(content)
    derived = dark_by_the_system((VENDOR / "bootstrap.min.css").read_text(encoding="utf-8"))
    if fetch:
        (VENDOR / DERIVED).write_text(derived, encoding="utf-8")
    elif (VENDOR / DERIVED).read_text(encoding="utf-8") != derived:
        sys.exit(f"{DERIVED} is not what bootstrap.min.css makes of it: run this script with --fetch")


def packed(name: str, version: str, files: dict[str, dict[str, str]]) -> dict[str, bytes]:
    """Return the content of some files of an npm package."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["npm", "pack", "--silent", "--pack-destination", directory, f"{name}@{version}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        (archive,) = Path(directory).glob("*.tgz")
        with tarfile.open(archive) as tar:
            found = {}
            for target, file in files.items():
                member = tar.extractfile(f"package/{file['path']}")
                if member is not None:
                    found[target] = member.read()
            return found


def dark_by_the_system(css: str) -> str:
    """Return the rules of Bootstrap's dark scheme for where the system asks for it.

    Bootstrap's compiled file knows only ``data-bs-theme=dark``, which would need a script to follow the system.
    """
    rules = re.findall(r"([^{}]*\[data-bs-theme=dark\][^{}]*)(\{[^{}]*\})", css)
    text = "\n".join(f"{selector.strip().replace('=dark', '=auto')}{body}" for selector, body in rules)
    origin = "/* Made by .ci/vendor_assets.py from bootstrap.min.css (MIT). */"
    return f"{origin}\n@media (prefers-color-scheme: dark){{\n{text}\n}}\n"


if __name__ == "__main__":
    main("--fetch" in sys.argv[1:])
