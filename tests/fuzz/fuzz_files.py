"""Coverage-guided fuzzing of the definition-file reader: a set or `InvalidFiles`, nothing else, never slow.

    pip install -e '.[fuzz]'
    python tests/fuzz/fuzz_files.py -max_total_time=30

Takes libFuzzer's options and, if wanted, a corpus directory to start from and to add to. The first byte of an input
says how it is read, the rest is the content of the file.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["flask_worker_templates", "yaml"]):
    import yaml

    from flask_worker_templates.errors import InvalidFiles
    from flask_worker_templates.files import parse_yaml, scalars
    from flask_worker_templates.files.load import load_files

# libyaml is compiled without coverage: only PyYAML's own parser guides the fuzzer to new syntax.
READINGS = [("t.json", scalars.LOADER), ("t.yaml", scalars.LOADER), ("t.yaml", yaml.SafeLoader)]

ENTRY = """\
$schema: x
templates:
  - &a
    name: a
    description: "\\x41\\u00e9"
    instance_type: !!str m5zn.metal
    capacity: &c {cpu_cores: 48, memory_gb: 0x10, storage_gb: 1_000}
    license_type: 'PERSONAL'
    labels: {no: on, ~: 2024-01-01, x: *c}
  - <<: [*a, {max_nodes: 1:30}]
    name: |
      b
    cost_per_hour_usd: .nan
...
"""
JSON = (
    '{"$schema": "x", "templates": [{"name": "\\u00e9", "max_nodes": -1.5e+3, "enabled": true, "labels": {"a": null}}]}'
)


def check(root: Path, data: bytes) -> None:
    """Read one input.

    Raises:
        Exception: whatever else than `InvalidFiles` the reader lets out, or a fault that could forge a log line.
    """
    name, loader = READINGS[data[0] % len(READINGS)] if data else READINGS[0]
    setattr(parse_yaml, "LOADER", loader)  # noqa: B010  # the module does not export it
    (root / name).write_bytes(data[1:])
    try:
        files = load_files([name], root=root)
    except InvalidFiles as error:
        texts = [str(fault) for fault in error.faults]
        if not texts or not all(text.isprintable() and text.startswith(name) for text in texts):
            raise AssertionError(texts) from None
    else:
        if len({entry.spec["name"] for entry in files.entries}) != len(files.entries):
            raise AssertionError("a name twice")


def main() -> None:
    """Run libFuzzer over `check`, with one second as the limit of a single input."""
    with tempfile.TemporaryDirectory() as directory:
        root, corpus = Path(directory), Path(directory, "corpus")
        corpus.mkdir()
        for number, text in enumerate((JSON, ENTRY, ENTRY)):
            (corpus / str(number)).write_bytes(bytes([number]) + text.encode())
        options = ["-timeout=1", "-rss_limit_mb=1024", "-max_len=4096"]
        atheris.Setup([sys.argv[0], *options, *sys.argv[1:], str(corpus)], lambda data: check(root, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
