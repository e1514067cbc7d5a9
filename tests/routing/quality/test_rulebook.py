"""A file of rules joins those of the project; what is wrong is told by rule and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.core.errors import ConfigError
from edge_rt.routing.quality.rulebook import load_rulebook


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_a_users_rules_join_and_replace_those_of_the_project(tmp_path: Path) -> None:
    shipped = load_rulebook()
    name = shipped.rules[0].name
    mine = load_rulebook(
        [
            written(
                tmp_path,
                f"rules: [{{name: '{name}', words: [abc], weight: 2}},"
                " {name: mine, measure: words, most: 3, weight: -1}]\n"
                "examples: {easy: [a kind word]}\n"
                "tests: {arc: {kind: choice, easier: 0.5}}\n",
            )
        ]
    )
    assert [rule.name for rule in mine.rules] == [*(rule.name for rule in shipped.rules), "mine"]
    assert (mine.rules[0].words, mine.rules[0].regex) == (["abc"], None)
    assert mine.examples.easy == [*shipped.examples.easy, "a kind word"]
    assert mine.examples.weight == shipped.examples.weight
    assert mine.tests["arc"].easier == 0.5
    assert mine.tests["gsm8k"] == shipped.tests["gsm8k"]
    assert mine.size == shipped.size


def test_all_weights_of_the_project_say_where_they_are_from() -> None:
    book = load_rulebook()
    assert book.size is not None
    told = [*book.rules, *book.tests.values(), book.size, book.examples]
    assert [one for one in told if not one.source] == []


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("name: x, weight: 1", r"rules\[0\] \(x\): takes one of regex, words and measure"),
        ("name: x, weight: 1, regex: a, words: [b]", "and has regex and words"),
        ("name: x, weight: 1, regex: '(a'", r"rules\[0\] \(x\)\.regex: no regular expression"),
        ("name: x, weight: 1, measure: size, most: 3", r"\(x\)\.measure: there is no 'size', .*wo"),
        ("name: x, weight: 1, measure: words", r"\(x\)\.measure: takes a `least`, a `most`"),
        ("name: x, weight: 1, words: [a], least: 3", r"\(x\)\.least: goes with a measure"),
        (
            "name: x, weight: 1, measure: words, least: 5, most: 2",
            r"\(x\)\.most: is less than the `least`, 5",
        ),
        (
            "name: x, weight: 1, words: [a], within: math",
            r"\(x\)\.within: no rule gives the kind 'math', there are choice, code, maths",
        ),
        ("name: x, weight: heavy, words: [a]", r"\(x\)\.weight: Expected `float`, got `str`"),
        ("name: x, weight: 99, words: [a]", r"\(x\)\.weight: Expected `float` <= 10"),
        ("name: x, weigth: 1, words: [a]", r"\(x\): Object contains unknown field `weigth`"),
        ("weight: 1, words: [a]", r"rules\[0\]: Object missing required field `name`"),
        ("name: x, weight: 1, words: []", r"\(x\)\.words: Expected `array` of length >= 1"),
    ],
)
def test_a_faulty_rule_is_told_by_name_and_field(rule: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"mine\.yaml: .*{told}"):
        load_rulebook([written(tmp_path, f"rules: [{{{rule}}}]")])


def test_a_rule_may_be_within_a_kind_of_the_same_file(tmp_path: Path) -> None:
    log, stop = "{name: y, words: [b], weight: 0, kind: log}", "{name: x, words: [a], weight: 1,"
    path = written(tmp_path, f"rules: [{stop} within: log}}, {log}]")
    assert load_rulebook([path]).rules[-2].within == "log"


def test_a_name_may_stand_once_in_a_file(tmp_path: Path) -> None:
    rule = "{name: x, words: [a], weight: 1}"
    with pytest.raises(ConfigError, match=r"rules\[1\] \(x\)\.name: comes twice"):
        load_rulebook([written(tmp_path, f"rules: [{rule}, {rule}]")])


@pytest.mark.parametrize("text", ["rules: [", "colour: red", "- a", "rules: {a: b}"])
def test_what_is_no_file_of_rules_is_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_rulebook([written(tmp_path, text)])
    with pytest.raises(ConfigError, match="cannot be read"):
        load_rulebook([tmp_path / "none.yaml"])


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_rulebook([written(tmp_path, "")]).rules == load_rulebook().rules
