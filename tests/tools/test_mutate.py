"""`tools/mutate`: which faults there are, which are drawn, and what the tests say of them."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mutatelib import command as program
from mutatelib.command import command
from mutatelib.mutants import Mutant, draw, mutants
from mutatelib.tree import Tree

SOURCE = """\
def halved(n):
    while n > 1:
        n //= 2
    return n


def unused():
    return 1
"""
TESTS = """\
from edge_rt.room.thing import halved


def test_halved():
    assert halved(8) == 1
"""
CONFTEST = """\
from hypothesis import settings

settings.register_profile("short", max_examples=5)
"""


def found(tmp_path: Path, body: str, head: str = "") -> set[tuple[str, str]]:
    """Return what may stand for what in a function of that body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (tmp_path / "thing.py").write_text(f"{head}def f(a, b, log):\n{lines}")
    made = list(mutants(tmp_path, "thing.py"))
    for mutant in made:
        ast.parse(mutant.text)
    return {(mutant.before, mutant.after) for mutant in made}


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ("return a + b", {("a + b", "a - b")}),
        ("return a <= b != 0", {("a <= b != 0", "a < b != 0"), ("a <= b != 0", "a <= b == 0")}),
        ("return a is not b", {("a is not b", "a is b")}),
        ("return a and b", {("a and b", "a or b")}),
        ("return not (a or b)", {("not (a or b)", "(a or b)"), ("a or b", "a and b")}),
        ("return -a", {("-a", "+a")}),
        ("return 0.5", {("0.5", "1.5")}),
        ("return True", {("True", "False")}),
        ("a = b", {("a = b", "a = None")}),
        ("a: int = None", {("a: int = None", "a: int = ''")}),
        ("a += b", {("a += b", "a -= b"), ("a += b", "a = b")}),
        ("f(a)", {("f(a)", "pass"), ("f(a)", "f(None)")}),
        ("return f(a, b=1)", {("f(a, b=1)", after) for after in ("f(None, b=1)", "f(b=1)")}),
        ("return a.lower()", {("a.lower()", "a.upper()")}),
        ("return lambda: a", {("lambda: a", "lambda: None")}),
        ("return a if b else f", {("a if b else f", "a"), ("a if b else f", "f")}),
        ("for a in b:\n    break", {("break", "return")}),
        ("for a in b:\n    continue", {("continue", "break")}),
    ],
)
def test_each_kind_of_fault(tmp_path: Path, body: str, faults: set[tuple[str, str]]) -> None:
    assert faults <= found(tmp_path, body)


def test_what_is_no_behaviour_has_no_faults(tmp_path: Path) -> None:
    head = 'LIMIT = 5\n\n\nclass C:\n    """1 + 1"""\n\n    most: int = 3\n\n\n'
    body = '"""a + b"""\nassert a < b\nlog.info(f"{a + 1}")\na: Literal[1]\nlen(f"{a - 1}")'
    assert found(tmp_path, body, head) == {('len(f"{a - 1}")', "pass")}


def test_a_fault_is_put_where_it_belongs_in_lines_of_any_letters(tmp_path: Path) -> None:
    source = "def f(a):\n    return ('häß', a +\n        1), 'é', a < 2\n"
    (tmp_path / "thing.py").write_text(source)
    made = {mutant.after: mutant for mutant in mutants(tmp_path, "thing.py")}
    assert "return ('häß', a - 1), 'é', a < 2" in made["a - 1"].text
    assert "1), 'é', a <= 2" in made["a <= 2"].text
    assert list(made["a - 1"].lines) == [2, 3]
    patch = made["a <= 2"].diff(source)
    assert "-        1), 'é', a < 2\n+        1), 'é', a <= 2" in patch


def numbered(count: int) -> list[Mutant]:
    return [Mutant("p", "f", "a", str(n), 0, range(1), "") for n in range(count)]


def test_a_seed_draws_the_same_and_most_of_it_where_others_are_gone() -> None:
    first = draw(numbered(100), 7, 20)
    assert first == draw(reversed(numbered(100)), 7, 20)
    assert first != draw(numbered(100), 8, 20)
    assert len({mutant.key for mutant in first}) == 20
    left = [mutant for mutant in numbered(100) if mutant not in first[:3]]
    assert draw(left, 7, 20)[:17] == first[3:]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one module, which has a function that no test calls."""
    root = tmp_path / "project"
    for name, text in {
        "edge_rt/__init__.py": "",
        "edge_rt/room/__init__.py": "",
        "edge_rt/room/thing.py": SOURCE,
        "tests/conftest.py": CONFTEST,
        "tests/room/test_thing.py": TESTS,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q", root], check=True)
    monkeypatch.setattr(program, "CHECKOUT", root)
    return root


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(command, ["--room", "room", *map(str, words)])


def judged(work: Path) -> dict[str, str]:
    lines = (work / "journal").read_text().splitlines()
    return dict(json.loads(line) for line in lines)


def test_tests_catch_what_they_look_at(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "Tree", lambda *places: Tree(*places, least_s=3.0))
    before = {path: path.read_bytes() for path in project.rglob("*.py")}
    out, work = tmp_path / "out.json", tmp_path / "work"
    done = call("--count", "100", "--work", work, "--json", out)
    assert done.exit_code == 0, done.output
    known = {key.partition(" ")[2]: what for key, what in judged(work).items()}
    assert known == {
        "halved n > 1 -> n >= 1 #0": "caught",
        "halved 1 -> 2 #0": "caught",
        "halved n //= 2 -> n /= 2 #0": "survived",  # 1 and 1.0 are equal
        "halved n //= 2 -> n = 2 #0": "caught",  # by the limit of time
        "halved 2 -> 3 #0": "caught",
        "unused 1 -> 2 #0": "untested",
    }
    document = json.loads(out.read_text())
    assert document["name"] == "mutate"
    assert document["values"] == {"mutants": 6, "mutants_caught": 4 / 6, "untested": 1}
    assert {"commit", "machine", "noise", "ratios"} <= document.keys()
    assert document["machine"]["seed"] == 33
    assert "-        n //= 2\n+        n /= 2" in done.output
    assert {path: path.read_bytes() for path in project.rglob("*.py")} == before


def test_a_session_goes_on_where_it_was(project: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    none = call("--count", "5", "--work", work, "--minutes", "0")
    assert "5 of the sample were not tried" in none.output
    assert call("--count", "2", "--work", work).exit_code == 0
    for key in judged(work):
        program.Journal(work / "journal", again=False).note(key, "survived")
    assert "1/2" not in call("--count", "2", "--work", work).output
    (project / "tests/room/test_thing.py").write_text("def test_nothing():\n    pass\n")
    assert "2/2 untested" in call("--count", "2", "--work", work, "--again").output
    assert set(judged(work).values()) == {"untested"}


def test_what_cannot_be_tried_is_said(project: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["--room", "attic"])
    assert "edge_rt/attic has no source" in done.output
    (project / "tests/room/test_thing.py").write_text("import nothing\n")
    done = call("--count", "1")
    assert done.exit_code == 1
    assert "pytest ended with 2 on the tests of room" in done.output
