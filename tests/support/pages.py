"""Page templates that are compiled once a process, though hundreds of tests make an app of their own."""

from __future__ import annotations

from types import CodeType

from flask import Flask
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

_SYNTAX = [
    *("block_start_string", "block_end_string", "variable_start_string", "variable_end_string"),
    *("comment_start_string", "comment_end_string", "line_statement_prefix", "line_comment_prefix"),
    *("trim_blocks", "lstrip_blocks", "newline_sequence", "keep_trailing_newline", "optimized", "finalize"),
]


class _Memory(BytecodeCache):
    """Compiled templates by their source, and by all of an environment that decides what they are compiled to."""

    def __init__(self) -> None:
        self._codes: dict[str, CodeType] = {}

    def get_bucket(self, environment: Environment, name: str, filename: str | None, source: str) -> Bucket:
        escaped = environment.autoescape(name) if callable(environment.autoescape) else environment.autoescape
        syntax = [getattr(environment, setting) for setting in _SYNTAX]
        settings = repr((escaped, sorted(environment.extensions), environment.is_async, syntax))
        bucket = Bucket(environment, "\0".join([name, filename or "", settings, source]), "")
        self.load_bytecode(bucket)
        return bucket

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._codes[bucket.key] = bucket.code


def compile_each_page_once() -> None:
    """Let Jinja remember the code that it makes of a template, for each app that has the same template."""
    Flask.jinja_options = {"bytecode_cache": _Memory()}
