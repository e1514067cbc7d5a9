"""A directory of profiles is boards, or every fault in it has a file, a line and a key."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from benchlib.boards import load_boards
from hypothesis import given, settings
from hypothesis import strategies as st
from unreadable import KINDS

from edge_rt.config.boards import SHIPPED, board_dirs, check_boards
from edge_rt.config.paths import Paths
from edge_rt.core.errors import ConfigError

RAIL = "{source: [own]}"
KEYS = st.sampled_from(
    [
        *("name", "extends", "match", "rails", "totals", "thermal", "zones"),
        *("source", "part_of", "covers", "models", "value"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("own"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def write(directory: Path, **files: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "sources.yaml").write_text("own: mine\n")
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text)
    return directory


def fault(directory: Path) -> str:
    _, [found] = check_boards([directory])
    return str(found).removeprefix(f"{directory}/")


def test_a_profile_is_known_by_the_name_of_its_file(tmp_path: Path) -> None:
    [(name, board)] = load_boards([write(tmp_path, mine="name: Mine")]).items()
    assert (name, board.id, board.name) == ("mine", "mine", "Mine")


def test_a_directory_that_is_missing_is_empty(tmp_path: Path) -> None:
    assert check_boards([tmp_path / "absent"]) == ({}, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rails: {}", "a.yaml:1: needs name"),
        ("- 1", "a.yaml:1: expected a mapping with keys such as 'name:'"),
        ("name: A\nnam: B", "a.yaml:2: nam: unknown key"),
        ("name: A\nid: b", "a.yaml:2: id: unknown key: the id is the name of the file"),
        ("name: A\nname: B", "a.yaml:2: name: given twice, first in line 1: remove one"),
        ("name: A\nrails:\n  X: {}", "a.yaml:3: rails.X: needs source"),
        ("name: A\nrails:\n  X:\n    source: []", "a.yaml:4: rails.X.source: Expected"),
        (
            "name: A\nrails:\n  X: {source: [own], shunt_ohm: 0}",
            "a.yaml:3: rails.X.shunt_ohm: Expected",
        ),
        (
            "name: A\nrails:\n  X: {source: [own], shunt: 5}",
            "a.yaml:3: rails.X.shunt: unknown key",
        ),
        (
            "name: A\nrails:\n  X: {source: [own], chip: x}",
            "a.yaml:3: rails.X.chip: Invalid enum value 'x'",
        ),
        ("name: A\nrails: [X]", "a.yaml:2: rails: Expected `object`, got `array`"),
        (
            "name: A\nthermal:\n  zones:\n    z: {source: [own], gated: 3}",
            "a.yaml:4: thermal.zones.z.gated: Expected `bool`, got `int`",
        ),
        ("name: A\nextends: b", "a.yaml:2: extends: no board profile 'b' to extend"),
        ("name: A\nextends: [b]", "a.yaml:2: extends: no board profile ['b'] to extend"),
        ("name: A\nextends: a", "a.yaml:2: extends: no board profile 'a' to extend"),
        ("name: [", "a.yaml:1: not valid YAML"),
    ],
)
def test_a_fault_has_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert fault(write(tmp_path, a=text)).startswith(message)


def test_a_fault_in_one_profile_leaves_the_others(tmp_path: Path) -> None:
    boards, faults = check_boards([write(tmp_path, a="nam: A", b="name: B")])
    assert list(boards) == ["b"]
    assert len(faults) == 1
    with pytest.raises(ConfigError, match="nam: unknown key"):
        load_boards([tmp_path])


def test_a_file_name_that_is_no_id_is_a_fault(tmp_path: Path) -> None:
    (write(tmp_path) / "My Board.yaml").write_text("name: A")
    assert "expected a file name of lower-case letters" in fault(tmp_path)


def test_what_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (write(tmp_path) / "a.yaml").mkdir()
    assert fault(tmp_path) == "a.yaml: cannot be read: not a regular file"


def test_only_yaml_files_that_are_not_hidden_count(tmp_path: Path) -> None:
    for name in (".a.yaml", "a.yaml~", "README"):
        (write(tmp_path) / name).write_text("no profile")
    assert check_boards([tmp_path]) == ({}, [])


def test_who_extends_inherits_what_it_does_not_say(tmp_path: Path) -> None:
    parent = f"name: A\nmatch: {{models: [A]}}\nrails: {{X: {RAIL}, Y: {RAIL}}}"
    child = "name: B\nextends: a\nrails: {Y: null, Z: {source: [own]}}"
    board = load_boards([write(tmp_path, a=parent, b=child)])["b"]
    assert (board.name, board.match.models, set(board.rails)) == ("B", ("A",), {"X", "Z"})


def test_a_record_with_a_source_is_replaced_whole(tmp_path: Path) -> None:
    parent = "name: A\nrails: {X: {shunt_ohm: 0.1, channel: 2, source: [own]}}"
    child = "extends: a\nrails: {X: {shunt_ohm: 0.2, source: [other]}}"
    (write(tmp_path, a=parent, b=child) / "sources.yaml").write_text("own: 1\nother: 2")
    rail = load_boards([tmp_path])["b"].rails["X"]
    assert (rail.shunt_ohm, rail.channel, rail.source) == (0.2, None, ("other",))


def test_a_figure_cannot_be_changed_under_its_parents_source(tmp_path: Path) -> None:
    parent = "name: A\ndraw: {idle_w: {value: 1, source: [own]}}"
    directory = write(tmp_path, a=parent, b="extends: a\ndraw: {idle_w: {value: 2}}")
    assert fault(directory) == "b.yaml:2: draw.idle_w: needs source"


def test_a_fault_that_is_inherited_is_shown_where_it_stands(tmp_path: Path) -> None:
    parent = "name: A\nrails:\n  X: {source: [own], part_of: Y}"
    assert fault(write(tmp_path, a=parent, b="extends: a")).startswith("a.yaml:3: rails.X.part_of")


def test_circles_are_faults_and_not_endless(tmp_path: Path) -> None:
    directory = write(tmp_path, a="extends: b", b="extends: c", c="extends: b")
    _, faults = check_boards([directory])
    assert len(faults) == 2
    assert all("extends itself" in str(each) and each.line == 1 for each in faults)


def test_a_users_profile_wins_by_id_and_may_extend_the_one_it_hides(tmp_path: Path) -> None:
    text = "extends: raspberry-pi-5\ndraw: {idle_w: {value: 2.5, source: [own]}}"
    user = write(tmp_path / "user", **{"raspberry-pi-5": text, "my-pi": "extends: raspberry-pi-5"})
    shipped, boards = load_boards(), load_boards([SHIPPED, user])
    assert set(boards) == {*shipped, "my-pi"}
    for name in ("raspberry-pi-5", "my-pi"):
        idle_w = boards[name].draw.idle_w
        assert idle_w is not None
        assert (idle_w.value, boards[name].rails) == (2.5, shipped["raspberry-pi-5"].rails)


def test_users_profiles_come_last(tmp_path: Path) -> None:
    user = write(tmp_path / "user", aaa="name: A", **{"generic-x86": "name: X"})
    assert list(load_boards([SHIPPED, user]))[-2:] == ["aaa", "generic-x86"]


def test_the_installations_directories(tmp_path: Path) -> None:
    paths = Paths.detect({"CONFIGURATION_DIRECTORY": str(tmp_path)}, uid=0)
    assert board_dirs(paths) == [SHIPPED, tmp_path / "boards.d"]


@settings(max_examples=3 * settings().max_examples // 5)
@given(st.dictionaries(KEYS, VALUES, max_size=5), VALUES)
def test_any_yaml_is_a_board_or_has_faults_that_name_the_file(
    first: object, second: object
) -> None:
    texts = {name: yaml.safe_dump(data) for name, data in (("a", first), ("b", second))}
    with tempfile.TemporaryDirectory() as directory:
        boards, faults = check_boards([write(Path(directory), **texts)])
    assert all(each.file.startswith(directory) for each in faults)
    assert set(boards) == set(texts) or faults


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_regular_file_of_modest_size_is_a_profile(tmp_path: Path, kind: str) -> None:
    KINDS[kind](write(tmp_path) / "a.yaml")
    assert fault(tmp_path).startswith(
        tuple(f"a.yaml: cannot be read: {why}" for why in ("not a", "more"))
    )
