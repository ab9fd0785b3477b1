"""Definition files: which are read, what they mean, and where each of their faults is."""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from yaml.reader import Reader

from flask_worker_templates.errors import Fault, InvalidFiles
from flask_worker_templates.files import parse_yaml as yaml_parser
from flask_worker_templates.files import scalars
from flask_worker_templates.files.load import FileSet, load_files
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.files.parsed import shown
from flask_worker_templates.model.spec import normalize
from tests.support.strategies import raw_specs

CAPACITY = "{cpu_cores: 48, memory_gb: 192, storage_gb: 500}"
ENTRY = f"""\
  - name: NAME
    instance_type: m5zn.metal
    capacity: {CAPACITY}
    license_type: PERSONAL
"""


def entry(name: str, more: str = "") -> str:
    return ENTRY.replace("NAME", name) + "".join(f"    {line}\n" for line in more.splitlines())


def entry_json(name: Any) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load("templates:\n" + entry("NAME"))["templates"][0]
    return {**data, "name": name}


class Folder:
    """A directory of definition files, which is the root that paths are relative to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, content: str | bytes) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def put(self, path: str, *names: str) -> Path:
        return self.write(path, "templates:\n" + "".join(entry(name) for name in names))

    def read(self, *paths: str | Path, missing_ok: bool = False) -> FileSet:
        return load_files(paths, root=self.root, missing_ok=missing_ok)

    def faults(self, *paths: str | Path) -> tuple[Fault, ...]:
        with pytest.raises(InvalidFiles) as caught:
            self.read(*paths)
        return caught.value.faults

    def faults_of(self, content: str | bytes, path: str = "t.yaml") -> list[str]:
        self.write(path, content)
        return [str(fault) for fault in self.faults(path)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def is_plain_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(is_plain_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain_json(inner) for key, inner in value.items())
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str) or (isinstance(value, int) and abs(value) < 2**63)


def names(files: FileSet) -> list[str]:
    return [entry.spec["name"] for entry in files.entries]


class TestPathSets:
    def test_a_file_gives_its_entries_in_normal_form_with_their_lines(self, folder: Folder) -> None:
        path = folder.write("config/t.yaml", "# both\ntemplates:\n" + entry("a") + "\n" + entry("b"))
        files = folder.read("config/t.yaml")
        assert [(e.spec["name"], e.path, e.line) for e in files.entries] == [
            ("a", "config/t.yaml", 3),
            ("b", "config/t.yaml", 8),
        ]
        assert files.entries[0].spec == normalize(entry_json("a"))
        assert files.warnings == ()
        [source] = files.files
        assert source.path == "config/t.yaml"
        assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert source.real_path == path.resolve()

    def test_a_directory_gives_its_yaml_yml_and_json_files_sorted(self, folder: Folder) -> None:
        folder.put("d/c.yaml", "c")
        folder.put("d/a.yml", "a")
        folder.write("d/b.json", json.dumps({"templates": [entry_json("b")]}))
        folder.write("d/README.md", "no template")
        folder.write("d/.#c.yaml", "a lock: of: an: editor")
        folder.write("d/worker_templates.schema.json", '{"type": "object"}')
        folder.put("d/deeper/d.yaml", "d")
        files = folder.read("d")
        assert names(files) == ["a", "b", "c"]
        assert [file.path for file in files.files] == ["d/a.yml", "d/b.json", "d/c.yaml"]

    def test_a_glob_gives_what_it_matches_sorted(self, folder: Folder) -> None:
        for name in ("b", "a", "c"):
            folder.put(f"d/{name}/t.yaml", name)
        folder.put("d/.hidden/t.yaml", "hidden")
        assert names(folder.read("d/*/t.yaml")) == ["a", "b", "c"]
        assert names(folder.read("d/[bc]/*")) == ["b", "c"]
        assert names(folder.read("d/**")) == ["a", "b", "c"]
        assert names(folder.read(str(folder.root / "d/?/t.yaml"))) == ["a", "b", "c"]

    def test_a_file_whose_name_looks_like_a_glob_is_that_file(self, folder: Folder) -> None:
        folder.put("[a].yaml", "bracket")
        folder.put("a.yaml", "a")
        assert names(folder.read("[a].yaml")) == ["bracket"]

    def test_magic_characters_in_the_root_match_nothing_else(self, tmp_path: Path) -> None:
        folder = Folder(tmp_path / "[x]")
        folder.put("a.yaml", "a")
        assert names(folder.read("*.yaml")) == ["a"]

    def test_a_list_keeps_its_order(self, folder: Folder) -> None:
        folder.put("z.yaml", "z")
        folder.put("d/a.yaml", "a")
        assert names(folder.read("z.yaml", Path("d"))) == ["z", "a"]

    def test_a_file_reached_twice_is_read_once(self, folder: Folder) -> None:
        folder.put("d/a.yaml", "a")
        (folder.root / "link.yaml").symlink_to("d/a.yaml")
        files = folder.read("d", "d/a.yaml", "./d/../d/*.yaml", "link.yaml", folder.root / "d/a.yaml")
        assert names(files) == ["a"]
        assert [file.path for file in files.files] == ["d/a.yaml"]

    def test_a_mounted_config_map_is_read_through_its_links(self, folder: Folder) -> None:
        folder.put("m/..2024_01_01/t.yaml", "a")
        (folder.root / "m/..data").symlink_to("..2024_01_01")
        (folder.root / "m/t.yaml").symlink_to("..data/t.yaml")
        files = folder.read("m")
        assert [file.path for file in files.files] == ["m/t.yaml"]

    def test_a_path_outside_of_the_root_is_shown_as_it_was_configured(self, tmp_path: Path) -> None:
        outside = Folder(tmp_path / "outside").put("a.yaml", "a")
        folder = Folder(tmp_path / "root")
        folder.root.mkdir()
        assert folder.read("../outside").files[0].path == "../outside/a.yaml"
        assert folder.read(outside).files[0].path == str(outside)

    def test_an_absolute_path_inside_of_the_root_is_shown_relative(self, folder: Folder) -> None:
        assert folder.read(folder.put("d/a.yaml", "a")).files[0].path == "d/a.yaml"

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("no.yaml", "no.yaml: There is no such file or directory. {where}"),
            ("a.yaml/no.yaml", "a.yaml/no.yaml: There is no such file or directory. {where}"),
            ("no/*.yaml", "no/*.yaml: No file matches this glob. {where}"),
            ("empty", "empty: This directory holds no *.yaml, *.yml, *.json file. {where}"),
            ("dangling.yaml", "dangling.yaml: There is no such file or directory. {where}"),
            ("/no/no.yaml", "/no/no.yaml: There is no such file or directory. {elsewhere}"),
            ("", ".: The path is empty."),
        ],
    )
    def test_a_missing_path_is_a_fault_or_a_warning(self, folder: Folder, path: str, message: str) -> None:
        folder.put("a.yaml", "a")
        (folder.root / "empty").mkdir()
        (folder.root / "dangling.yaml").symlink_to("nowhere")
        [fault] = folder.faults(path, "a.yaml")
        elsewhere = "The setting WORKER_TEMPLATES_CONFIG_PATH can name another place."
        assert str(fault) == message.format(where=f"Looked for in {folder.root}. {elsewhere}", elsewhere=elsewhere)
        files = folder.read(path, "a.yaml", missing_ok=True)
        assert files.warnings == (str(fault),)
        assert names(files) == ["a"]

    def test_what_is_wrong_with_a_path_is_a_fault_even_where_it_may_be_missing(self, folder: Folder) -> None:
        (folder.root / "loop.yaml").symlink_to("loop.yaml")
        for path in ("loop.yaml", "a\0b.yaml", "x" * 5000):
            with pytest.raises(InvalidFiles) as caught:
                folder.read(path, missing_ok=True)
            assert len(caught.value.faults) == 1
            assert "\0" not in str(caught.value)

    def test_a_line_break_in_a_file_name_stays_on_one_line(self, folder: Folder) -> None:
        folder.write("a\nINFO all is well.yaml", "[]")
        [fault] = folder.faults("*.yaml")
        assert fault.path == r"a\nINFO all is well.yaml"


class TestMeaning:
    @given(st.lists(raw_specs(), max_size=4, unique_by=lambda spec: str(spec["name"])), st.booleans())
    def test_whatever_a_yaml_library_writes_is_read_as_it_was(
        self, tmp_path_factory: pytest.TempPathFactory, specs: list[dict[str, Any]], block: bool
    ) -> None:
        folder = Folder(tmp_path_factory.mktemp("set"))
        folder.write("t.yaml", yaml.safe_dump({"templates": specs}, default_flow_style=not block))
        files = folder.read("t.yaml")
        assert [entry.spec for entry in files.entries] == [normalize(spec) for spec in specs]

    @given(
        st.lists(raw_specs(), max_size=4, unique_by=lambda spec: str(spec["name"])),
        st.sampled_from([None, 1]),
        st.booleans(),
    )
    def test_whatever_a_json_library_writes_is_read_as_it_was(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        specs: list[dict[str, Any]],
        indent: int | None,
        escape: bool,
    ) -> None:
        folder = Folder(tmp_path_factory.mktemp("set"))
        folder.write("t.json", json.dumps({"templates": specs}, indent=indent, ensure_ascii=escape))
        files = folder.read("t.json")
        assert [entry.spec for entry in files.entries] == [normalize(spec) for spec in specs]

    @pytest.mark.parametrize(
        "text",
        [
            "yes",
            "no",
            "on",
            "off",
            "True",
            "NULL",
            "~",
            "null",
            "0",
            "-1",
            "+1",
            "0x1F",
            "1.5",
            "-.5",
            "1e3",
            "1.0e+3",
            "abc",
            "a.b",
            "0.1.2",
            "1.2.3",
            "0o7",
            ".",
            ":x",
            "08",
            "x=1",
            "<-",
            "m5zn.metal",
            "CML-2.9.*",
        ],
    )
    def test_a_plain_scalar_means_what_the_safe_loader_says(self, text: str) -> None:
        parsed, expected = parse_yaml(f"- {text}"), yaml.safe_load(f"- {text}")
        assert parsed.value == expected
        assert type(parsed.value[0]) is type(expected[0])

    @given(st.text("0123456789+-.:_eExXbBoO~nNyYaAuUlLtTrRfFsSiI ", min_size=1, max_size=12))
    def test_scalars_agree_with_the_safe_loader_wherever_both_take_them(self, text: str) -> None:
        try:
            expected = yaml.load(f"[{text}]", Loader=scalars.LOADER)  # safe, and parses what is parsed here
        except (yaml.YAMLError, ValueError, OverflowError):
            return
        parsed = parse_yaml(f"[{text}]")
        if any("to YAML 1.2" in problem.message for problem in parsed.problems):
            return  # tests/files/test_scalars.py says which
        assert (parsed.complete and not parsed.problems) == is_plain_json(expected)
        if is_plain_json(expected):
            assert repr(parsed.value) == repr(expected)

    def test_anchors_aliases_and_merge_keys_work_as_with_the_safe_loader(self, folder: Folder) -> None:
        text = """\
templates:
  - &base
    name: base
    instance_type: &type m5zn.metal
    capacity: &capacity {cpu_cores: 48, memory_gb: 192, storage_gb: 500}
    license_type: PERSONAL
    labels: &labels {team: qa}
  - <<: *base
    name: merged
    max_nodes: 5
  - name: aliases
    instance_type: *type
    capacity: {<<: *capacity, cpu_cores: 2}
    license_type: EVALUATION
    labels: *labels
    *type : x
"""
        folder.write("t.yaml", text.replace("    *type : x\n", ""))
        expected = yaml.safe_load(text.replace("    *type : x\n", ""))["templates"]
        assert [e.spec for e in folder.read("t.yaml").entries] == [normalize(item) for item in expected]
        assert [e.line for e in folder.read("t.yaml").entries] == [2, 8, 11]
        assert parse_yaml(text).value == yaml.safe_load(text)

    def test_of_several_merged_mappings_the_first_wins(self) -> None:
        # As https://yaml.org/type/merge.html says. The safe loader of PyYAML 6.0.4 lets the last one win, unless the
        # keys are so short that Python keeps one copy of them.
        text = """\
base: &base {license_type: PERSONAL, max_nodes: 5}
other: &other {license_type: EVALUATION, enabled: false}
merged:
  <<: [{license_type: ENTERPRISE}, *base, *other]
  name: first wins
"""
        assert parse_yaml(text).value["merged"] == {
            "name": "first wins",
            "license_type": "ENTERPRISE",
            "max_nodes": 5,
            "enabled": False,
        }

    def test_lines_are_right_wherever_the_list_stands(self, folder: Folder) -> None:
        item = entry("a").strip(" -").replace("\n", ", ").rstrip(", ")
        folder.write("t.yaml", "<<:\n  - {templates: [\n    {" + item + "}]}\n")
        assert [entry.line for entry in folder.read("t.yaml").entries] == [3]

    @pytest.mark.parametrize("encode", [lambda text: codecs.BOM_UTF8 + text.encode(), str.encode])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("path", ["t.yaml", "t.json"])
    def test_byte_order_marks_and_line_ends_make_no_difference(
        self, folder: Folder, encode: Any, end: str, path: str
    ) -> None:
        text = "templates:\n" + entry("ä")
        if path == "t.json":
            text = json.dumps({"templates": [entry_json("ä")]}, indent=0).replace("[\n{", "[{")
        folder.write(path, encode(text.replace("\n", end)))
        [read] = folder.read(path).entries
        assert (read.spec, read.line) == (normalize(entry_json("ä")), 2)

    def test_an_empty_list_is_fine_and_editors_may_find_their_schema(self, folder: Folder) -> None:
        folder.write("a.yaml", "$schema: ./schema.json\ntemplates: []\n")
        folder.write("b.json", '{"$schema": "./schema.json", "templates": []}')
        assert folder.read("a.yaml", "b.json").entries == ()

    def test_directives_and_document_marks_are_fine(self, folder: Folder) -> None:
        folder.write("t.yaml", "%YAML 1.2\n---\ntemplates: []\n...\n")
        assert folder.read("t.yaml").entries == ()

    @pytest.mark.parametrize("end", ["---", "---\n", "...\n---\n", "---\n---\n# end\n", "--- # end", "---\n...\n"])
    def test_a_mark_at_the_end_is_no_second_document(self, folder: Folder, end: str) -> None:
        folder.write("t.yaml", "templates:\n" + entry("a") + end)
        assert names(folder.read("t.yaml")) == ["a"]

    @pytest.mark.parametrize("end", ["---\na", "---\n''", "--- {}", "---\n---\n- a", "--- &a", "--- !!str"])
    def test_whatever_stands_behind_such_a_mark_is_one(self, folder: Folder, end: str) -> None:
        [fault] = folder.faults_of("templates:\n" + entry("a") + end)
        assert "A second document" in fault

    def test_keys_of_the_authors_own_hold_anchors(self, folder: Folder) -> None:
        text = f"x-sizes:\n  large: &large {CAPACITY}\nx-: 1\ntemplates:\n" + entry("a")
        folder.write("t.yaml", text.replace(f"capacity: {CAPACITY}", "capacity: *large"))
        assert [e.spec["capacity"]["cpu_cores"] for e in folder.read("t.yaml").entries] == [48]
        assert "Unknown field" in folder.faults_of(text.replace("x-:", "X-a:"))[0]
        folder.write("t.json", json.dumps({"x-note": "mine", "templates": [entry_json("a")]}))
        assert names(folder.read("t.json")) == ["a"]

    @pytest.mark.parametrize("mark", ["|", ">", "|-", "|+", ">+"])
    def test_a_description_may_have_lines(self, folder: Folder, mark: str) -> None:
        more = f"description: {mark}\n  First.\n\n  Second.\n\nmax_nodes: 7"
        for text in (entry("a", more), entry("a", more).replace("\n", "\r\n")):
            folder.write("t.yaml", "templates:\n" + text)
            [read] = folder.read("t.yaml").entries
            assert read.spec["description"] == ("First.\n\nSecond." if mark[0] == "|" else "First.\nSecond.")

    def test_names_that_look_alike_are_one_name(self, folder: Folder) -> None:
        folder.put("a.yaml", "caf\u00e9")
        folder.put("b.yaml", "cafe\u0301")
        [fault] = folder.faults("a.yaml", "b.yaml")
        assert fault.message.endswith("is also the name of a.yaml:2: rename one of them.")

    def test_a_host_that_extends_the_safe_loader_changes_nothing_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for loader in {yaml.SafeLoader, scalars.LOADER}:
            monkeypatch.setattr(loader, "yaml_implicit_resolvers", dict(loader.yaml_implicit_resolvers))
            loader.add_implicit_resolver("!env", re.compile(r"\$\w+"), ["$"])
        assert parse_yaml("[$HOME, $]").value == ["$HOME", "$"]


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """PyYAML with libyaml, and without it."""
    name: str = request.param
    if name == "python":
        monkeypatch.setattr(yaml_parser, "LOADER", yaml.SafeLoader)
    else:
        assert scalars.LOADER is yaml.CSafeLoader
    return name


def only(field: str, text: str) -> str:
    """A file whose only entry has one more field, in line 6."""
    return "templates:\n" + entry("a", f"{field}: {text}")


def replaced(old: str, new: str) -> str:
    return ("templates:\n" + entry("a")).replace(old, new)


class TestFaultsOfSpecs:
    @pytest.mark.parametrize(
        ("text", "place", "message"),
        [
            (only("max_nodes", "0"), "6:16: max_nodes", "Found the number 0."),
            (only("max_nodes", "'48'"), "6:16: max_nodes", "Found '48'."),
            (only("max_nodes", "[1]"), "6:16: max_nodes", "Found a list."),
            (only("max_nodes", ""), "6:15: max_nodes", "Nothing is written here: write a value or remove the key."),
            (only("labels", ""), "6:12: labels", "Nothing is written here: write {} or remove the key."),
            (only("port_range", "\n  start:"), "7:13: port_range.start", "Nothing is written here: write"),
            (replaced("instance_type: m5zn.metal", "instance_type:"), "3:19: instance_type", ": write a value."),
            (replaced(CAPACITY, ""), "4:14: capacity", "Nothing is written here: write a value."),
            (only("enabled", "'no'"), "6:14: enabled", "Found 'no'."),
            (only("port_range", "{start: 5000, end: 4000}"), "6:25: port_range.start", "above end"),
            (only("port_range", "5000"), "6:17: port_range", "Found the number 5000."),
            (only("max_node", "5"), "6:5: max_node", "Did you mean max_nodes?"),
            (only("size", "5"), "6:5: size", "Unknown field."),
            (only("labels", "{a b: x}"), "6:14: labels.a b", "A label key is"),
            (only("labels", "{a.b: 1.10}"), "6:19: labels.a.b", "YAML reads '1.10' as the number 1.1: quote it"),
            (only("labels", "{a: {b: c}}"), "6:17: labels.a", "Found a mapping."),
            (only("labels", "{" + ", ".join(f"k{n}: v" for n in range(65)) + "}"), "6:13: labels", "64"),
            (only("description", "no"), "6:18: description", "YAML reads 'no' as the boolean false: quote it"),
            (only("description", "12"), "6:18: description", "YAML reads '12' as the number 12: quote it"),
            (only("description", "~"), "6:18: description", "YAML reads '~' as null: quote it"),
            (only("description", r'"a\tb"'), "6:18: description", r"Found 'a\tb'."),
            (only("_schema", "x"), "6:5: _schema", "Unknown field"),
            (only("a.b", "x"), "6:5: a.b", "Unknown field"),
            (replaced("PERSONAL", "FREE"), "5:19: license_type", "Found 'FREE'."),
            (replaced("cpu_cores: 48", "cpu_cores: 4.8"), "4:27: capacity.cpu_cores", "Found the number 4.8."),
            (replaced("cpu_cores: 48", "cores: 48"), "4:16: capacity.cores", "Did you mean cpu_cores?"),
            (replaced("cpu_cores: 48, ", ""), "4:5: capacity.cpu_cores", "Required."),
            (replaced(CAPACITY, "48"), "4:15: capacity", "Found the number 48."),
            (replaced("name: a\n    ", ""), "2:5: name", "Required."),
        ],
    )  # fmt: skip
    def test_each_is_at_its_own_place(self, folder: Folder, parser: str, text: str, place: str, message: str) -> None:
        [found] = [fault for fault in folder.faults_of(text) if fault.startswith(f"t.yaml:{place}: ")]
        assert message in found

    def test_all_of_all_files_are_reported_at_once_in_order(self, folder: Folder) -> None:
        folder.write("a.yaml", "templates:\n" + entry("a", "max_nodes: 0\nenabled: 1") + entry("b", "x: 1"))
        folder.write("b.json", '{"templates": [\n {"name": 5}\n]}')
        folder.write("c.yaml", "templates: [")
        folder.put("d.yaml", "fine")
        faults = folder.faults("a.yaml", "b.json", "c.yaml", "d.yaml", "no.yaml")
        assert [(f.path, f.line, f.column, f.field) for f in faults] == [
            ("a.yaml", 6, 16, "max_nodes"),
            ("a.yaml", 7, 14, "enabled"),
            ("a.yaml", 12, 5, "x"),
            ("b.json", 2, 2, "instance_type"),
            ("b.json", 2, 2, "capacity"),
            ("b.json", 2, 2, "license_type"),
            ("b.json", 2, 11, "name"),
            ("c.yaml", 2, 1, None),
            ("no.yaml", None, None, None),
        ]

    def test_a_name_given_twice_names_both_places(self, folder: Folder) -> None:
        folder.put("a.yaml", "x", "same")
        folder.put("b.yaml", "same", "y")
        folder.write("c.json", '{"templates": [{"name": "y", "license_type": "FREE"}]}')
        found = [str(fault) for fault in folder.faults("a.yaml", "b.yaml", "c.json")]
        assert found[0] == "b.yaml:2:11: name: 'same' is also the name of a.yaml:6: rename one of them."
        assert "c.json:1:25: name: 'y' is also the name of b.yaml:6: rename one of them." in found
        assert any(fault.startswith("c.json:1:46: license_type: ") for fault in found)

    def test_a_value_from_a_merge_is_shown_where_it_was_written_and_once(self, folder: Folder) -> None:
        text = "templates:\n" + entry("a", "max_nodes: 0").replace("- name", "- &a\n    name")
        text += "  - <<: *a\n    name: b\n  - <<: *a\n    name: c\n"
        assert [fault.split(": ")[:2] for fault in folder.faults_of(text)] == [["t.yaml:7:16", "max_nodes"]]

    def test_an_alias_is_shown_where_it_is_used(self, folder: Folder) -> None:
        first, second = folder.faults_of(only("description", "&x yes\nlabels: {a: *x}"))
        assert first.startswith("t.yaml:6:18: description: ")
        assert second.startswith("t.yaml:7:17: labels.a: ")
        assert "YAML reads 'yes' as the boolean true" in second

    def test_json_faults_are_at_their_places_too(self, folder: Folder) -> None:
        text = '{\n "templates": [\n  {"name": "é\\u00e9", "enabled":\n "yes", "nam": 1}]}'
        assert [fault.split(": ")[:2] for fault in folder.faults_of(text, "t.json")] == [
            ["t.json:3:3", "instance_type"],
            ["t.json:3:3", "capacity"],
            ["t.json:3:3", "license_type"],
            ["t.json:4:2", "enabled"],
            ["t.json:4:9", "nam"],
        ]


class TestFaultsOfStructure:
    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "1:1: The file holds nothing: write `templates:`"),
            ("# only a comment\n", "1:1: The file holds nothing: write `templates:`"),
            ("just a text", "1:1: The file holds a string: write `templates:`"),
            ("- name: a", "1:1: The file holds a list: write `templates:`"),
            ("{}", "1:1: The key `templates` is missing"),
            ("templates:", "1:11: templates: Not a list but null"),
            ("templates: {}", "1:12: templates: Not a list but a mapping"),
            ("templates: []\nversion: 1", "2:1: version: Unknown field. Known: templates, $schema."),
            ("template: []\ntemplates: []", "1:1: template: Unknown field. Did you mean templates?"),
            ("templates: []\n$schema: 1", "2:10: $schema: Not a string"),
            ("templates: [1]", "1:13: Not a mapping but the number 1"),
            ("templates:\n- ", "2:2: Not a mapping but null"),
            ("templates: []\n---\ntemplates: []", "2:1: A second document"),
            ("templates: []\ntemplates: []", "2:1: The key 'templates' is a duplicate in this mapping"),
            (only("labels", "{a: b, a: c}"), "6:20: The key 'a' is a duplicate in this mapping"),
            (only("labels", "{&x a: b, *x : c}"), "6:23: The key 'a' is a duplicate in this mapping"),
            (only("labels", "{<<: {a: b, a: c}}"), "6:25: The key 'a' is a duplicate in this mapping"),
            (only("labels", "{<<: {a: b}, <<: {c: d}}"), "6:26: The key << is a duplicate in this mapping"),
            (only("labels", "{<<: a}"), "6:18: Only a mapping, or a list of mappings, can be merged"),
            (only("labels", "{<<: [{a: b}, 1]}"), "6:18: Only a mapping, or a list of mappings, can be merged"),
            (only("labels", "{no: x}"), "6:14: The key 'no' is the boolean false to YAML: quote it"),
            (only("labels", "{1: x}"), "6:14: The key '1' is the number 1 to YAML: quote it"),
            (only("labels", "{~: x}"), "6:14: The key '~' is null to YAML: quote it"),
            (only("labels", "{2024-01-01: x}"), "6:14: '2024-01-01' is a date to YAML: quote it"),
            (only("labels", "{[a]: x}"), "6:14: A key that is a mapping or a list"),
            (only("max_nodes", "&y 1\nlabels: {*y : x}"), "7:14: A key that is the number 1"),
            (only("labels", "{a: 2024-01-01}"), "6:17: '2024-01-01' is a date to YAML: quote it"),
            (only("labels", "{a: 2024-99-99}"), "6:17: '2024-99-99' is a date to YAML: quote it"),
            (only("labels", "{a: =}"), "6:17: '=' is a sign of its own to YAML: quote it"),
            (only("labels", "{a: <<}"), "6:17: '<<' is a sign of its own to YAML: quote it"),
            (only("labels", "{a: !!str b}"), "6:17: The tag 'tag:yaml.org,2002:str'"),
            (only("labels", "{!!str a: b}"), "6:14: The tag 'tag:yaml.org,2002:str'"),
            (only("labels", "!!map {a: b}"), "6:13: The tag 'tag:yaml.org,2002:map'"),
            (only("labels", "! {a: b}"), "6:13: The tag '!'"),
            (only("labels", "!!python/object/apply:os.system [ls]"), "6:13: The tag "),
            (only("labels", "&a {b: *a}"), "6:20: The alias 'a' refers to the value that contains it."),
            (only("labels", "&a {<<: *a}"), "6:21: The alias 'a' refers to the value that contains it."),
            (only("labels", "{a: &x 'b', c: &x 'd'}"), "6:28: The anchor 'x' is a duplicate"),
            (only("ami_pattern", "*-pro"), "6:18: There is no anchor '-pro' before this alias"),
            (only("max_nodes", ".nan"), "6:16: '.nan' is not a finite number"),
            (only("max_nodes", "-.inf"), "6:16: '-.inf' is not a finite number"),
            (only("cost_per_hour_usd", "1.0e+999999"), "6:24: '1.0e+999999' is not a finite number"),
            (only("max_nodes", "0x_"), "6:16: '0x_' is not a valid number"),
            (only("max_nodes", "9223372036854775808"), "6:16: '9223372036854775808' is not a finite number"),
        ],
    )  # fmt: skip
    def test_each_has_its_place_and_no_follower(self, folder: Folder, parser: str, text: str, fault: str) -> None:
        found = folder.faults_of(text)
        assert len(found) == 1, found
        assert found[0].startswith(f"t.yaml:{fault}")

    @pytest.mark.parametrize(
        ("text", "place", "hint"),
        [
            (only("ami_pattern", "*"), "6:18", 'quote a string that begins with "*"'),
            (only("description", "a: b"), "6:19", 'quote a string that holds ": "'),
            (only("description", "@a"), "6:18", "quote a string that begins with a special character"),
            ("templates:\n\t- name: a", "2:1", "not tabs"),
            ("templates:\n  - name: a\n - name: b", "3:2", "check the indentation"),
            ("templates: [", "2:1", "check the indentation, the brackets"),
            ("templates: 'a\n\n", "3:1", "quoted scalar that begins in line 1"),
            ("%YAML 3.0\n---\n", "1:1", "incompatible YAML document"),
            ("templates: [] # \x07", "1:17", r"the character '\x07' is not allowed"),
        ],
    )
    def test_syntax_faults_have_a_place_and_a_hint(self, folder: Folder, text: str, place: str, hint: str) -> None:
        [fault] = folder.faults_of(text)
        assert fault.startswith(f"t.yaml:{place}: Not valid YAML: ")
        assert hint in fault

    def test_every_character_that_yaml_refuses_is_named(self) -> None:
        refused = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
        for char in refused:
            if Reader.NON_PRINTABLE.search(char):
                [problem] = parse_yaml(f"- é\n- é{char}").problems
                assert (problem.line, problem.column) == (2, 4)
                assert problem.message == f"Not valid YAML: the character {shown(char)} is not allowed here."
            elif char not in '\n\r\x85\u2028\u2029"\\':
                assert parse_yaml(f'"{char}"').complete

    def test_structure_and_spec_faults_come_together(self, folder: Folder) -> None:
        text = "templates:\n" + entry("a", "labels: {x: y, x: z}\nmax_nodes: 0") + "  - 1: x\n"
        assert [fault.split(": ")[0] for fault in folder.faults_of(text)] == [
            "t.yaml:6:20",
            "t.yaml:7:16",
            *["t.yaml:8:5"] * 5,
        ]

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "1:1: Not valid JSON: Expecting value."),
            ("null", "1:1: The file holds nothing"),
            # Python 3.13 points to the comma, older ones to what follows it.
            ('{"templates": [],}', f"1:{17 if sys.version_info >= (3, 13) else 18}: Not valid JSON: "),
            ("templates: []", "1:1: Not valid JSON: Expecting value."),
            ('{"templates": []} {}', "1:19: Not valid JSON: Extra data."),
            ('{"templates": ["\n"]}', "1:17: Not valid JSON: Invalid control character"),
            ('{"templates": [],\n "templates": []}', "2:2: The key 'templates' is a duplicate in this object"),
            ('{"templates": [],\n "t\\u0065mplates": []}', "2:2: The key 'templates' is a duplicate in this object"),
            ('{"templates": NaN}', "1:15: 'NaN' is not a finite number"),
            ('{"templates": -Infinity}', "1:15: '-Infinity' is not a finite number"),
            ('{"templates": 1e999999}', "1:15: '1e999999' is not a finite number"),
            ('{"templates": 9223372036854775808}', "1:15: '9223372036854775808' is not a finite number"),
            ('{"templates": [1.5]}', "1:16: Not a mapping but the number 1.5"),
            ('{"templates": {}}', "1:15: templates: Not a list but a mapping"),
        ],
    )
    def test_json_is_as_strict(self, folder: Folder, text: str, fault: str) -> None:
        [found] = folder.faults_of(text, "t.json")
        assert found.startswith(f"t.json:{fault}")

    @pytest.mark.parametrize(
        ("content", "fault"),
        [
            (b"templates: []\n# caf\xe9\n", "t.yaml:2:6: Not valid UTF-8: the byte 0xe9"),
            (b"# \xed\xa0\x80", "t.yaml:1:3: Not valid UTF-8: the byte 0xed"),
            (codecs.BOM_UTF8 + b"\xff", "t.yaml:1:1: Not valid UTF-8: the byte 0xff"),
            ("templates: []".encode("utf-16"), "t.yaml: Encoded as UTF-16"),
            (codecs.BOM_UTF16_BE + "templates: []".encode("utf-16-be"), "t.yaml: Encoded as UTF-16"),
            ("templates: []".encode("utf-16-le"), "t.yaml:1:2: A NUL"),
            (b"templates: []\n\0", "t.yaml:2:1: A NUL"),
        ],
    )
    def test_only_utf_8_is_text(self, folder: Folder, content: bytes, fault: str) -> None:
        [found] = folder.faults_of(content)
        assert found.startswith(fault)
