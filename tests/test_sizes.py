"""The sizes of modules, classes and functions: what is larger holds a second thing, or says why it is one."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.support.paths import ROOT

PACKAGE = ROOT / "flask_worker_templates"
MAX_MODULE, MAX_CLASS, MAX_FUNCTION = 350, 250, 50  # lines, with docstrings and comments

LARGER = {
    # Each says in its docstring why: one argument, with a name and a type, for each thing that can be asked for.
    "python_reads.py:list",
    "python_reads.py:select",
    "python_files.py:sync",
}


def test_no_module_class_or_function_holds_a_second_thing() -> None:
    found: dict[str, int] = {}
    for path in PACKAGE.rglob("*.py"):
        found |= _too_large(path)
    assert {name: size for name, size in found.items() if name not in LARGER} == {}
    assert found.keys() == LARGER, "remove from the exceptions what has become smaller"


def _too_large(path: Path) -> dict[str, int]:
    text, name = path.read_text(encoding="utf-8"), path.relative_to(PACKAGE).as_posix()
    lines = len(text.splitlines())
    found = {name: lines} if lines > MAX_MODULE else {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or 0) - node.lineno + 1
            if size > (MAX_CLASS if isinstance(node, ast.ClassDef) else MAX_FUNCTION):
                found[f"{name}:{node.name}"] = size
    return found
