"""The command `tools/mutate`."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from benchlib.publish import show
from benchlib.report import Report
from bootstrap.paths import CHECKOUT
from bootstrap.signals import end_cleanly_on_signals

from mutatelib import MutateError
from mutatelib.mutants import Mutant, draw, mutants
from mutatelib.tree import Tree

ROOMS = ("energy", "governor", "engine", "models/store", "api", "decoding")
CAUGHT, SURVIVED, UNTESTED = "caught", "survived", "untested"  # untested: no test runs the line


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--room", "rooms", multiple=True, default=ROOMS, show_default=True, help="A folder of edge_rt."
)
@click.option("--count", default=300, show_default=True, help="How many faults to put in.")
@click.option("--seed", default=33, show_default=True, help="Which ones.")
@click.option("--work", type=click.Path(path_type=Path), help="Go on in this folder, and keep it.")
@click.option("--minutes", default=math.inf, help="Stop after so long; --work DIR goes on.")
@click.option("--again", is_flag=True, help="Try those again that were not caught.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result here.")
def command(
    rooms: Sequence[str],
    count: int,
    seed: int,
    work: Path | None,
    minutes: float,
    again: bool,
    json_file: Path | None,
) -> None:
    """Put single faults into a copy of the source, and see whether the fast tests notice.

    The tests of the rooms run once to learn which of them run which line. Each fault is then held
    against those that run its line; a test that fails, or that takes far too long, has caught it.
    Sessions on slow machines can be cut into pieces by --work and --minutes.
    """
    end_cleanly_on_signals()
    end_s = time.monotonic() + 60 * minutes
    try:
        with _folder(work) as folder:
            tree = Tree(CHECKOUT, folder)
            sample = draw(_all(tree.root, rooms), seed, count)
            for room in rooms:
                if time.monotonic() < end_s:
                    tree.learn(room)
            journal = Journal(folder / "journal", again)
            try_all(tree, sample, journal, end_s)
            left = [each for each in sample if journal.known.get(each.key, CAUGHT) != CAUGHT]
            diffs = [each.diff((tree.root / each.path).read_text()) for each in left]
            show(_report(sample, journal.known, diffs, seed), json_file)
            click.echo("\n".join(diffs))
    except MutateError as error:
        raise click.ClickException(str(error)) from error


class Journal:
    """What came of each fault, in a file that a call of this command leaves to the next."""

    def __init__(self, path: Path, again: bool) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.known: dict[str, str] = dict(json.loads(line) for line in lines)
        if again:
            self.known = {key: what for key, what in self.known.items() if what == CAUGHT}

    def note(self, key: str, what: str) -> None:
        """Record what came of a fault."""
        self.known[key] = what
        with self._path.open("a") as file:
            file.write(json.dumps([key, what]) + "\n")


def try_all(tree: Tree, sample: Sequence[Mutant], journal: Journal, end_s: float) -> None:
    """Try the faults that nothing is known of, until the monotonic clock says `end_s`."""
    sound = False
    for number, mutant in enumerate(sample, 1):
        if mutant.key in journal.known:
            continue
        if time.monotonic() > end_s:
            return
        tests = tree.tests(mutant)
        if tests and not sound:  # else every fault would count as caught
            if not tree.passes(tests):
                raise MutateError("tests that passed before fail now, without a fault: try again")
            sound = True
        what = UNTESTED if not tests else SURVIVED if tree.survives(mutant, tests) else CAUGHT
        journal.note(mutant.key, what)
        click.echo(f"{number}/{len(sample)} {what} by {len(tests)}: {mutant.key}", err=True)


@contextmanager
def _folder(work: Path | None) -> Iterator[Path]:
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        yield work.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="edge-rt-mutate-") as folder:
        yield Path(folder).resolve()


def _all(root: Path, rooms: Sequence[str]) -> Iterator[Mutant]:
    for room in rooms:
        files = sorted((root / "edge_rt" / room).rglob("*.py"))
        if not files:
            raise MutateError(f"edge_rt/{room} has no source; --room names a folder of edge_rt")
        for file in files:
            yield from mutants(root, str(file.relative_to(root)))


def _report(
    sample: Sequence[Mutant], known: Mapping[str, str], diffs: Sequence[str], seed: int
) -> Report:
    tried = [known[mutant.key] for mutant in sample if mutant.key in known]
    return Report(
        name="mutate",
        about={"seed": seed, "sample": len(sample)},
        values={
            "mutants": len(tried),
            "mutants_caught": tried.count(CAUGHT) / len(tried) if tried else None,
            "untested": tried.count(UNTESTED),
        },
        notes=[f"{len(sample) - len(tried)} of the sample were not tried."],
        details={"survivors": diffs},
    )
