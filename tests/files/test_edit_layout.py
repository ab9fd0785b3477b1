"""Edits keep comments with what they belong to, blank lines, brackets and quotes, for readers of YAML 1.1 and 1.2."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import ruamel.yaml
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from flask_worker_templates.files.edit import edited
from flask_worker_templates.model.spec import Spec, normalize
from tests.support.handwritten import meant, yaml_files
from tests.support.owned_comments import Owned, labelled_files
from tests.support.strategies import edits, specs

HEAD = """\
templates:
  - name: nightly
    instance_type: m5.large
    capacity: {cpu_cores: 4, memory_gb: 16, storage_gb: 100}
    license_type: PERSONAL
"""
SMALL = """\
  - name: small
    instance_type: t3.large
    capacity: {cpu_cores: 2, memory_gb: 8, storage_gb: 50}
    license_type: PERSONAL
"""
LARGE = SMALL.replace("small", "large")
Edit = Callable[[list[Spec | None]], object]


def after(text: str, *edit: Edit, added: list[Spec] | None = None) -> str:
    wanted: list[Any] = copy.deepcopy(meant(text))
    for one in edit:
        one(wanted)
    return edited(text, wanted, added or [], is_json=False)


def labels(**values: str | None) -> Edit:
    """Change, add or (None) remove labels of the first entry."""

    def edit(wanted: list[Any]) -> None:
        changed = {**wanted[0]["labels"], **values}
        wanted[0]["labels"] = dict(sorted((key, value) for key, value in changed.items() if value is not None))

    return edit


def field(name: str, value: Any) -> Edit:
    def edit(wanted: list[Any]) -> None:
        wanted[0][name] = value

    return edit


def gone(number: int) -> Edit:
    def edit(wanted: list[Any]) -> None:
        wanted[number] = None

    return edit


class TestComments:
    @pytest.mark.parametrize(
        ("before", "now"),
        [
            (
                "{   # keep in step\n      # cost_centre: 4711\n    }",
                "{   # keep in step\n      # cost_centre: 4711\n      team: qa\n    }",
            ),
            ("{   # why\n    }", "{   # why\n      team: qa\n    }"),
            (
                "{\n        # a\n\n        # b\n    }  # end",
                "{\n        # a\n\n        # b\n        team: qa\n    }  # end",
            ),
            ("{   # why\n}", "{   # why\n      team: qa\n}"),
        ],
    )
    def test_those_alone_between_brackets_stay_when_something_is_added(self, before: str, now: str) -> None:
        text = f"{HEAD}    labels: {before}\n"
        assert after(text, labels(team="qa")) == f"{HEAD}    labels: {now}\n"

    def test_those_in_the_brackets_of_an_empty_list_stay(self) -> None:
        spec = normalize(yaml.safe_load("templates:\n" + SMALL)["templates"][0])
        for text in ("templates: [\n  # none yet\n]\n", "templates: [   # none\n  ]   # yet\n# end\n"):
            result = after(text, added=[spec])
            assert [entry["name"] for entry in meant(result)] == ["small"]
            assert re.findall("# .*", result) == re.findall("# .*", text)

    @pytest.mark.parametrize("indent", ["", " ", "  ", "    ", "        "])
    @pytest.mark.parametrize("number", [0, 1])
    def test_those_directly_above_an_entry_go_with_it_whatever_their_column(self, indent: str, number: int) -> None:
        above = [f"{indent}# small machines: ask the lab\n", f"{indent}# large machines: ask finance\n"]
        parts = [above[0] + SMALL, above[1] + LARGE]
        assert after("templates:\n" + "".join(parts), gone(number)) == "templates:\n" + parts[1 - number]

    def test_a_field_that_is_commented_out_stays_with_its_entry_all_the_same(self) -> None:
        small = "    # for all\n" + SMALL + "    # max_nodes: 5\n    #capacity:\n    #   cpu_cores: 5\n"
        large = "    # for some\n" + LARGE
        assert after("templates:\n" + small + large, gone(0)) == "templates:\n" + large
        assert after("templates:\n" + small + large, gone(1)) == "templates:\n" + small

    def test_deeper_ones_below_an_entry_are_its_own_where_nothing_says_otherwise(self) -> None:
        small = SMALL + "    # and more\n"
        assert after("templates:\n" + small + LARGE, gone(0)) == "templates:\n" + LARGE
        assert after("templates:\n" + small + LARGE, gone(1)) == "templates:\n" + small

    def test_deeper_ones_below_a_blank_line_belong_to_what_follows(self) -> None:
        large = "    # large machines\n" + LARGE
        assert after("templates:\n" + SMALL + "\n" + large, gone(0)) == "templates:\n" + large
        assert after("templates:\n" + SMALL + "\n" + large, gone(1)) == "templates:\n" + SMALL

    @pytest.mark.parametrize("indent", ["", "    ", "      ", "          "])
    def test_those_above_a_label_go_with_it_whatever_their_column(self, indent: str) -> None:
        parts = [f"{indent}# who pays\n      team: qa\n", f"{indent}# where\n      site: north\n"]
        text = HEAD + "    labels:\n" + "".join(parts)
        assert after(text, labels(team=None)) == HEAD + "    labels:\n" + parts[1]
        assert after(text, labels(site=None)) == HEAD + "    labels:\n" + parts[0]


class TestBlankLinesAndEnds:
    @pytest.mark.parametrize("end", ["", "\n"])
    @pytest.mark.parametrize("eol", ["\n", "\r\n"])
    def test_they_do_not_pile_up_when_the_last_label_goes(self, end: str, eol: str) -> None:
        text = (HEAD + "    labels:\n      team: qa\n\n      site: north" + end).replace("\n", eol)
        assert after(text, labels(site=None)) == (HEAD + "    labels:\n      team: qa" + end).replace("\n", eol)

    def test_those_between_labels_stay_once(self) -> None:
        text = HEAD + "    labels:\n      a: x\n\n      b: x\n\n      c: x\n"
        assert after(text, labels(b=None)) == HEAD + "    labels:\n      a: x\n\n      c: x\n"
        assert after(text, labels(b=None, c=None)) == HEAD + "    labels:\n      a: x\n"

    @pytest.mark.parametrize("end", ["", "\n"])
    def test_the_end_of_the_file_stays_as_it_is(self, end: str) -> None:
        text = "templates:\n" + SMALL + "\n" + LARGE.rstrip() + end
        assert after(text, gone(1)) == "templates:\n" + SMALL.rstrip() + end
        assert after(text, field("max_nodes", 7)).endswith("PERSONAL" + end)
        assert after(text, gone(0), gone(1)) == "templates: []" + end

    @given(yaml_files(anchors=False), st.data())
    def test_no_last_line_end_is_made_or_lost(self, text: str, data: st.DataObject) -> None:
        wanted = [data.draw(st.just(spec) | edits(spec) | st.none()) for spec in meant(text)]
        result = edited(text, wanted, is_json=False)
        assert result.endswith(("\n", "\r")) == text.endswith(("\n", "\r"))


class TestBrackets:
    def test_one_that_closes_is_never_moved_to_the_left(self) -> None:
        text = HEAD + "    labels: {team: qa,     # who pays\n             site: north}   # where\n"
        expected = HEAD + "    labels: {team: qa     # who pays\n             }   # where\n"
        assert after(text, labels(site=None)) == expected

    def test_one_behind_several_that_go_stands_behind_the_one_that_stays(self) -> None:
        text = HEAD + "    labels: {\n      team: qa,\n      site: north,\n      room: e }\n"
        assert after(text, labels(site=None, room=None)) == HEAD + "    labels: {\n      team: qa }\n"
        text = text.replace("qa,", "qa, # who pays")
        expected = HEAD + "    labels: {\n      team: qa # who pays\n      }\n"
        assert after(text, labels(site=None, room=None)) == expected

    @given(labelled_files(), st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("xyz")))
    def test_none_is_left_of_where_one_was(self, file: Owned, lost: set[str], new: set[str]) -> None:
        spec = meant(file.text)[0]
        wanted = {label: "v" for label in [*file.members, *new] if label not in lost}
        result = edited(file.text, [{**spec, "labels": wanted}], is_json=False)
        assert re.search(r"^ ?[}\]]", result, re.MULTILINE) is None
        assert read_by_other(result) == [{**spec, "labels": wanted}]


class TestQuotes:
    def test_json_named_yaml_stays_json(self) -> None:
        spec = yaml.safe_load("templates:\n" + SMALL)["templates"][0]
        for indent in (None, 2):
            text = json.dumps({"templates": [spec, {**spec, "name": "b", "labels": {"a": "x"}}]}, indent=indent)
            result = after(text, labels(team="é 😀"), field("max_nodes", 7), added=[normalize({**spec, "name": "c"})])
            read = json.loads(result)["templates"]
            assert [normalize(one) for one in read] == meant(result)
            assert [one["name"] for one in read] == ["small", "b", "c"]
            assert "é 😀" in result

    def test_json_with_comments_keeps_its_quotes(self) -> None:
        text = HEAD + '    labels: {"team": "qa", # who\n      "site": "north"}\n'
        assert after(text, labels(zone="a")) == text.replace('"north"', '"north",\n      "zone": "a"')
        assert after(text.replace('"', "'"), labels(zone="a")).endswith("'north',\n      'zone': 'a'}\n")

    @pytest.mark.parametrize("text", ["08", "12e03", "0o7", "1e3", "+.5", "y", "010", "1:30", "2020-01-01", "a\u2028b"])
    @pytest.mark.parametrize("before", ["{team: qa}", "\n      team: qa", "{team: 'qa'}"])
    def test_what_some_reader_takes_for_something_else_is_quoted(self, before: str, text: str) -> None:
        result = after(f"{HEAD}    labels: {before}\n", labels(team=text, more=text))
        for read in (yaml.safe_load(result)["templates"][0], read_by_other(result)[0]):
            assert read["labels"] == {"team": text, "more": text}
        assert not set(result) & set("\u2028\u2029\x85")

    @pytest.mark.parametrize("quotes", ["", "'", '"'])
    def test_emoji_are_not_escaped(self, quotes: str) -> None:
        text = f"{HEAD}    description: {quotes}old{quotes}\n"
        assert after(text, field("description", "new 😀")) == text.replace("old", "new 😀")


class TestLines:
    BLOCK = "    description: |   # for users\n      Runs the labs.\n\n      Ask first.\n\n"

    def test_a_description_of_several_lines_stays_where_it_is(self) -> None:
        assert after(HEAD + self.BLOCK, field("max_nodes", 7)) == HEAD + "    max_nodes: 7\n" + self.BLOCK

    def test_it_keeps_its_form(self) -> None:
        result = after(HEAD + self.BLOCK, field("description", "One.\n  Two.\n\nThree."))
        assert result == HEAD + self.BLOCK.replace(
            "Runs the labs.\n\n      Ask first.", "One.\n        Two.\n\n      Three."
        )
        folded = HEAD + self.BLOCK.replace("|", ">-")
        result = after(folded, field("description", "One.\nTwo.\n\nThree."))
        assert "description: >-   # for users\n      One.\n\n      Two.\n\n\n      Three.\n" in result

    def test_a_new_one_is_a_literal_block(self) -> None:
        assert "    description: |-\n      One.\n\n      Two.\n" in after(HEAD, field("description", "One.\n\nTwo."))

    @given(st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n"), max_size=60))
    @example(" a\nb")
    @example("a\n b \nc")
    @example("a\u2028\nb")
    @example("#a\n- b\nc: d")
    def test_any_lines_in_any_form(self, description: str) -> None:
        wanted = {"description": normalize({**meant(HEAD)[0], "description": description})["description"]}
        old = "    description: {}Old.\n      Lines.\n"
        texts = [HEAD, HEAD + '    description: "Old."\n', HEAD + "    description: Old.\n"]
        for text in [*texts, *(HEAD + old.format(f"{mark}\n      ") for mark in ("|", ">", "|-", ">+"))]:
            result = after(text, field("description", wanted["description"]))
            spec = {**meant(text)[0], **wanted}
            assert meant(result) == [spec]
            assert read_by_other(result) == [spec]


def read_by_other(text: str) -> list[Spec]:
    """Read as YAML 1.2, with another library."""
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    return [normalize(entry) for entry in reader.load(text)["templates"]]


@given(yaml_files(), st.data())
def test_what_readers_of_two_versions_take_alike_they_take_alike_after_an_edit(text: str, data: st.DataObject) -> None:
    spec = meant(text)
    try:
        if read_by_other(text) != spec:
            return
    except (ruamel.yaml.error.YAMLError, ValueError):
        return
    wanted = [data.draw(st.just(one) | edits(one) | specs(st.just(one["name"])) | st.none()) for one in spec]
    added = data.draw(st.lists(specs(st.just("x")), max_size=1))
    result = edited(text, wanted, added, is_json=False)
    assert read_by_other(result) == [one for one in wanted if one is not None] + added
