"""Definition files made to hurt: a clear fault each, within a second, in bounded memory; never a traceback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flask_worker_templates.errors import InvalidFiles
from flask_worker_templates.files import parse_yaml as yaml_parser
from flask_worker_templates.files import scalars
from flask_worker_templates.files.load import FileSet, load_files
from flask_worker_templates.files.parsed import MAX_DEPTH, MAX_FAULTS
from flask_worker_templates.files.paths import MAX_BYTES
from tests.support.strategies import UNICODE, raw_specs
from tests.support.yaml_text import yaml_text

# Counted in processor time, and with room to spare: the machine may be slow, and shared.
SOON = 5.0
LARGE = 15.0
"""What a whole 10 MB of the smallest parts may take."""
PATIENCE = 30.0
"""Seconds for what must not wait at all. It is time by the clock, and the machine may be busy."""

TENTH_AND_WHOLE = pytest.mark.parametrize(
    "share", [pytest.param(10, id="tenth"), pytest.param(1, id="whole", marks=pytest.mark.thorough)]
)
"""A tenth of the largest input each time, the whole of it in the thorough run."""

# Measuring coverage slows every line down.
SLOWER = 4 if sys.gettrace() else 1


@contextmanager
def within(seconds: float) -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds * SLOWER


def read(root: Path, content: str | bytes, name: str = "t.yaml") -> FileSet | list[str]:
    """Return what the reader makes of a content: a set, or the texts of its faults. Anything else fails the test."""
    (root / name).write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    try:
        return load_files([name], root=root)
    except InvalidFiles as error:
        faults = [str(fault) for fault in error.faults]
        assert faults
        assert all(fault.startswith(name) and fault.isprintable() and len(fault) < 1000 for fault in faults)
        return faults


def only_fault(root: Path, content: str | bytes, name: str = "t.yaml") -> str:
    faults = read(root, content, name)
    assert isinstance(faults, list)
    assert len(faults) == 1, faults[:5]
    return faults[0].removeprefix(f"{name}:")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for all examples of a property."""
    return tmp_path_factory.mktemp("hostile")


class TestArbitraryContent:
    @pytest.mark.parametrize("name", ["t.yaml", "t.json"])
    @given(content=st.binary(max_size=300))
    @example(content=b"\xef\xbb\xbf")
    @example(content=b"\xff\xfe\x00")
    def test_bytes(self, root: Path, name: str, content: bytes) -> None:
        with within(SOON):
            read(root, content, name)

    @pytest.mark.parametrize(
        ("name", "loader"),
        [("t.yaml", scalars.LOADER), ("t.yaml", yaml.SafeLoader), ("t.json", scalars.LOADER)],  # JSON takes no loader
    )
    @given(
        content=st.text(
            st.sampled_from("a1.:-?,[]{}&*!|>'\"%@`#<~=\\ \n\t\r\x85\u2028\ufeff\0\ud800$_0xeE+ny"), max_size=60
        )
    )
    @settings(max_examples=300)
    def test_the_characters_that_mean_something(self, root: Path, name: str, loader: Any, content: str) -> None:
        with pytest.MonkeyPatch.context() as patch, within(SOON):
            patch.setattr(yaml_parser, "LOADER", loader)
            read(root, content, name)

    @pytest.mark.parametrize("name", ["t.yaml", "t.json"])
    @given(data=st.data())
    @settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    def test_mutations_of_valid_files(self, root: Path, name: str, data: st.DataObject) -> None:
        specs = data.draw(st.lists(raw_specs(), min_size=1, max_size=3))
        dump = yaml_text if name == "t.yaml" else json.dumps
        content = bytearray(dump({"templates": specs}).encode())
        for _ in range(data.draw(st.integers(1, 5))):
            start = data.draw(st.integers(0, len(content)))
            end = data.draw(st.integers(start, min(len(content), start + 20)))
            piece = data.draw(
                st.sampled_from(
                    [b"", b"\n", b"*a", b"&a ", b"<<: ", b"- ", b"{", b"]", b'"', b"!!x ", b"\x00", b"\xff"]
                )
                | st.binary(max_size=4)
            )
            content[start:end] = piece
        with within(SOON):
            read(root, bytes(content), name)

    @given(
        value=st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(UNICODE, max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "name",
                            "templates",
                            "labels",
                            "capacity",
                            "port_range",
                            "cpu_cores",
                            "_schema",
                            "__proto__",
                            "$where",
                            "a.b",
                            "",
                        ]
                    )
                    | st.text(UNICODE, max_size=5),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=20,
        )
    )
    @pytest.mark.parametrize("name", ["t.yaml", "t.json"])
    @pytest.mark.parametrize("wrap", [False, True])
    def test_any_value_of_json_or_yaml(self, root: Path, name: str, wrap: bool, value: Any) -> None:
        if wrap:
            value = {"templates": [value, value]}
        text = yaml_text(value) if name == "t.yaml" else json.dumps(value)
        with within(SOON):
            read(root, text, name)


NESTED = {
    "flow lists": ("[" * 200_000, "t.yaml"),
    "flow mappings": ("{a: " * 200_000, "t.yaml"),
    "block lists": ("- " * 200_000, "t.yaml"),
    "block mappings": ("".join(" " * level + "a:\n" for level in range(2_000)), "t.yaml"),
    "closed lists": ("templates: " + "[" * 200_000 + "]" * 200_000, "t.yaml"),
    "json lists": ("[" * 200_000 + "]" * 200_000, "t.json"),
    "open json lists": ("[" * 200_000, "t.json"),
    "json objects": ('{"a":' * 200_000 + "1" + "}" * 200_000, "t.json"),
    "json just too deep": ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "t.json"),
}  # fmt: skip


class TestNesting:
    @pytest.mark.parametrize("case", NESTED)
    def test_deep_nesting_is_one_fault(self, tmp_path: Path, case: str) -> None:
        content, name = NESTED[case]
        with within(SOON):
            fault = only_fault(tmp_path, content, name)
        assert fault.endswith(f"Nested more than {MAX_DEPTH} levels deep.")
        assert fault.split(":")[0].isdecimal()

    def test_keys_that_are_mappings_nest_nothing(self, tmp_path: Path) -> None:
        with within(SOON):
            assert "A key that is a mapping or a list" in only_fault(tmp_path, "? " * 200_000)

    def test_a_chain_of_aliases_does_not_nest_without_end(self, tmp_path: Path) -> None:
        chain = "- &a0 [x]\n" + "".join(f"- &a{n} [*a{n - 1}]\n" for n in range(1, 50_000))
        with within(SOON):
            assert "The aliases stand for more than 1,000,000" in only_fault(tmp_path, chain)


class TestBombs:
    def test_a_billion_laughs(self, tmp_path: Path) -> None:
        bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
        for level in range(1, 10):
            bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n"
        with within(SOON):
            assert only_fault(tmp_path, bomb).startswith("7:")

    def test_a_billion_laughs_by_merge_keys(self, tmp_path: Path) -> None:
        bomb = "a0: &a0 {" + ", ".join(f"k{n}: v" for n in range(900)) + "}\n"
        bomb += "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 900))
        with within(SOON):
            assert "The aliases stand for more than 1,000,000" in only_fault(tmp_path, bomb)

    def test_aliases_that_add_up_to_little_are_fine(self, tmp_path: Path) -> None:
        item = "{<<: *x, name: n%d}"
        text = "templates:\n- &x {name: x, instance_type: t, license_type: PERSONAL,"
        text += " capacity: {cpu_cores: 1, memory_gb: 1, storage_gb: 1}}\n"
        text += "".join(f"- {item % n}\n" for n in range(1000))
        files = read(tmp_path, text)
        assert isinstance(files, FileSet)
        assert len(files.entries) == 1001

    def test_tag_directives_that_take_quadratic_time_in_libyaml(self, tmp_path: Path) -> None:
        directives = "".join(f"%TAG !{n}! x\n" for n in range(500_000))
        with within(SOON):
            assert "Too many %TAG directives" in only_fault(tmp_path, directives + "--- a")
            assert "Too many %TAG directives" in only_fault(tmp_path, "a: b\n...\n" + directives + "--- a")

    @TENTH_AND_WHOLE
    @pytest.mark.parametrize(
        ("start", "part"),
        [("templates:\n", "- 1\n"), ("templates: [", "a,"), ("templates: [", "{},"), ("&a a: b\n", "*a : c\n")],
        ids=["block items", "flow items", "empty mappings", "aliases as keys"],
    )
    def test_a_file_full_of_tiny_parts(self, tmp_path: Path, start: str, part: str, share: int) -> None:
        content = start + part * (MAX_BYTES // share // len(part) - 100)
        with within(LARGE):
            faults = read(tmp_path, content)
        assert isinstance(faults, list)
        assert len(faults) <= MAX_FAULTS + 1

    @pytest.mark.parametrize(
        ("name", "start", "part", "end"),
        [
            pytest.param("t.yaml", "templates:\n", "- {}\n", "", id="yaml items"),
            pytest.param("t.yaml", "templates: ", "1:", "1", id="yaml number", marks=pytest.mark.thorough),
            pytest.param("t.json", "[", "{},\n", "1]", id="json items", marks=pytest.mark.thorough),
            pytest.param("t.json", '"', r"\n", '"', id="json escapes", marks=pytest.mark.thorough),
            pytest.param("t.json", "", "\n", "1", id="json lines", marks=pytest.mark.thorough),
        ],
    )
    def test_memory_is_bounded(self, tmp_path: Path, name: str, start: str, part: str, end: str) -> None:
        (tmp_path / name).write_text(start + part * (10_000_000 // len(part)) + end)
        # In a process of its own, whose peak is nobody else's.
        result = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tmp_path), name], capture_output=True, text=True, check=True
        )
        assert int(result.stdout) < 300 * 1024, "KiB"


MEASURE = """
import resource, sys
from pathlib import Path
from flask_worker_templates.errors import InvalidFiles
from flask_worker_templates.files.load import load_files

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_files([sys.argv[2]], root=Path(sys.argv[1]))
except InvalidFiles:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


class TestSizes:
    def test_a_file_over_10_mb_is_refused_unread(self, tmp_path: Path) -> None:
        with (tmp_path / "t.yaml").open("wb") as stream:
            stream.truncate(1 << 40)  # a hole: 1 TB that takes no room
        with within(SOON), pytest.raises(InvalidFiles, match=r"^t\.yaml: Larger than 10 MB: split the file\.$"):
            load_files(["t.yaml"], root=tmp_path)

    def test_a_file_that_grows_while_it_is_read_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "t.yaml"
        path.write_bytes(b"templates: []\n")
        before = path.stat()
        path.write_bytes(b"#" * (MAX_BYTES + 1))
        monkeypatch.setattr(Path, "stat", lambda self, **_kw: before)
        monkeypatch.setattr(os, "fstat", lambda _fd: before)
        with pytest.raises(InvalidFiles, match="Larger than 10 MB"):
            load_files(["t.yaml"], root=tmp_path)

    @TENTH_AND_WHOLE
    @pytest.mark.parametrize("name", ["t.yaml", "t.json"])
    def test_a_line_of_10_mb(self, tmp_path: Path, name: str, share: int) -> None:
        for part in ("x", "x ", r"\n"):
            text = part * (MAX_BYTES // share // len(part) - 100)
            content = f'{{"templates": [{{"name": "{text}"}}]}}'
            with within(LARGE):
                faults = read(tmp_path, content, name)
            assert isinstance(faults, list)
            assert any(fault.startswith(f"{name}:1:25: name: ") for fault in faults)

    @TENTH_AND_WHOLE
    def test_a_plain_scalar_of_10_mb(self, tmp_path: Path, share: int) -> None:
        for part in ("x", "1", "1:"):
            text = part * (MAX_BYTES // share // len(part) - 100) + "1"
            with within(LARGE):
                assert isinstance(read(tmp_path, f"templates: {text}"), list)

    @pytest.mark.parametrize("name", ["t.yaml", "t.json"])
    def test_a_key_of_1_mb_is_cut_in_messages(self, tmp_path: Path, name: str) -> None:
        key = "k" * 1_000_000
        content = f'? "{key}"\n: x\n? "{key}"\n: y\n' if name == "t.yaml" else f'{{"{key}": 1, "{key}": 2}}'
        with within(SOON):
            assert isinstance(read(tmp_path, content, name), list)

    @TENTH_AND_WHOLE
    def test_a_mapping_of_400_000_keys(self, tmp_path: Path, share: int) -> None:
        keys = [f"k{n}" for n in range(400_000 // share)]
        content = "templates: [{" + ", ".join(f"{key}: v" for key in keys) + "}]"
        with within(LARGE):
            assert "More than 1,000 keys in one mapping" in only_fault(tmp_path, content)
        content = json.dumps({"templates": [dict.fromkeys(keys)]})
        with within(LARGE):
            assert only_fault(tmp_path, content, "t.json") == "1:16: More than 1,000 keys in one object."

    @TENTH_AND_WHOLE
    def test_faults_are_listed_up_to_a_bound(self, tmp_path: Path, share: int) -> None:
        for content in (
            "templates:\n" + "- name: x\n" * (100_000 // share),
            "templates:\n" + "- 1\n" * (100_000 // share),
            "templates: [" + "!a b, " * (100_000 // share) + "]",
            "templates:\n" + ("- {" + ", ".join(f"k{n}: v" for n in range(900)) + "}\n") * (100 // share),
        ):
            with within(LARGE):
                faults = read(tmp_path, content)
            assert isinstance(faults, list)
            assert len(faults) == MAX_FAULTS + 1
            assert faults[-1] == "t.yaml: There may be more: later faults are not listed."

    def test_after_the_bound_no_file_is_read(self, tmp_path: Path) -> None:
        for number in range(3):
            (tmp_path / f"{number}.yaml").write_text("templates:\n" + "- 1\n" * (MAX_FAULTS - 100))
        with pytest.raises(InvalidFiles) as caught:
            load_files(["*.yaml"], root=tmp_path)
        assert len(caught.value.faults) == MAX_FAULTS + 1
        assert {fault.path for fault in caught.value.faults} == {"0.yaml", "1.yaml"}

    @pytest.mark.parametrize("name", ["t.yaml", "t.json"])
    @pytest.mark.parametrize(
        "number", ["1" * 5000, "-" + "9" * 100_000, "1" * 5000 + ".5", "1" * 5000 + "e+5", "1.0e+999999"]
    )
    def test_huge_numbers(self, tmp_path: Path, name: str, number: str) -> None:
        content = f'{{"templates": [{{"cost_per_hour_usd": {number}}}]}}'
        with within(SOON):
            faults = read(tmp_path, content, name)
        assert isinstance(faults, list)
        found = [fault for fault in faults if fault.startswith(f"{name}:1:38: ")]
        assert len(found) == 1
        assert name == "t.yaml" or "is not a finite number" in found[0]

    def test_numbers_that_break_the_parser_in_python(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(yaml_parser, "LOADER", yaml.SafeLoader)
        for content in (r'"\UFFFFFFFF"', "%YAML 1." + "1" * 5000 + "\n---\n"):
            assert "Not valid YAML" in only_fault(tmp_path, content)


class TestStrangeNames:
    @pytest.mark.parametrize("name", ["t.yaml", "t.json"])
    @pytest.mark.parametrize("key", ["$where", "__proto__", "constructor", "_id", "a.b", "$set.x", "..", "_schema", ""])
    def test_keys_that_mean_something_elsewhere_are_unknown_fields(self, tmp_path: Path, name: str, key: str) -> None:
        faults = read(tmp_path, f'{{"templates": [{{"{key}": {{"$gt": ""}}}}]}}', name)
        assert isinstance(faults, list)
        assert any(fault.startswith(f"{name}:1:17: {key}: Unknown field".replace(": : ", ": ")) for fault in faults)

    @pytest.mark.parametrize("name", ["t.yaml", "t.json"])
    @pytest.mark.parametrize(
        "text", [r"a\nb INFO forged", r"a\u001b[31mred", r"a\u2028b", r"a\u202eb", r"\u0000", r"\u0085"]
    )
    def test_no_value_makes_a_log_line_or_a_colour_of_its_own(self, tmp_path: Path, name: str, text: str) -> None:
        content = f'{{"templates": [{{"name": "{text}", "{text}": "{text}", "labels": {{"{text}": "{text}"}}}}]}}'
        faults = read(tmp_path, content, name)  # which checks that each is printable
        assert isinstance(faults, list)
        assert any(": name: " in fault for fault in faults)

    def test_lone_surrogates_of_json_are_refused_and_shown(self, tmp_path: Path) -> None:
        faults = read(tmp_path, r'{"templates": [{"name": "\ud800", "\udfff": 1}]}', "t.json")
        assert isinstance(faults, list)
        assert any(r"'\ud800'" in fault for fault in faults)
        assert any(r": \udfff: Unknown field" in fault for fault in faults)


class TestWhatIsNoFile:
    def refused(self, root: Path, name: str) -> str:
        outcome: list[BaseException] = []

        def run() -> None:
            try:
                load_files([name], root=root)
            except BaseException as error:  # handed to the test
                outcome.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the reader waits"
        [error] = outcome
        assert isinstance(error, InvalidFiles)
        return str(error)

    def test_a_pipe_is_refused_without_waiting_for_a_writer(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "t.yaml")
        assert self.refused(tmp_path, "t.yaml") == "t.yaml: Not a regular file."

    def test_a_file_that_becomes_a_pipe_is_refused_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file.yaml").write_text("templates: []")
        os.mkfifo(tmp_path / "t.yaml")
        before = (tmp_path / "file.yaml").stat()
        monkeypatch.setattr(Path, "stat", lambda self, **_kw: before)
        assert self.refused(tmp_path, "t.yaml") == "t.yaml: Not a regular file."

    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
    def test_a_device_is_refused(self, tmp_path: Path, device: str) -> None:
        (tmp_path / "t.yaml").symlink_to(device)
        assert "t.yaml: Not a regular file." in self.refused(tmp_path, "t.yaml")

    def test_a_socket_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)  # the path of a socket must be short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("t.yaml")
            assert self.refused(tmp_path, "t.yaml") == "t.yaml: Not a regular file."

    def test_a_directory_that_is_named_like_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "d/t.yaml").mkdir(parents=True)
        assert self.refused(tmp_path, "d") == "d/t.yaml: Not a regular file."

    def test_a_dangling_link_in_a_directory_is_a_fault(self, tmp_path: Path) -> None:
        (tmp_path / "d").mkdir()
        (tmp_path / "d/t.yaml").symlink_to("nowhere")
        assert self.refused(tmp_path, "d") == "d/t.yaml: Cannot be read: No such file or directory."

    def test_a_file_that_may_not_be_read_is_a_fault(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "t.yaml").write_text("templates: []")
        (tmp_path / "t.yaml").chmod(0)
        if os.geteuid() == 0:  # nothing is unreadable for root: refuse as the system would

            def refuse(*_args: object, **_kw: object) -> int:
                raise PermissionError(13, "Permission denied")

            monkeypatch.setattr(os, "open", refuse)
        assert self.refused(tmp_path, "t.yaml") == "t.yaml: Cannot be read: Permission denied."
