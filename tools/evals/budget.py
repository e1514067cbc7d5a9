"""`tools/eval budget`: whole answers for fewer joules, in ours and in the plain ways."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import click
from benchlib import BenchError
from benchlib.daemon import MODEL
from bootstrap.signals import end_cleanly_on_signals
from evallib.asker import Asker, Reply, Unanswered, question
from evallib.document import Document
from evallib.hosting import Own
from evallib.intervals import Bootstrap
from evallib.journal import Journal
from evallib.markdown import percent, short, text
from evallib.options import BESIDE, Options, result, shared
from evallib.record import Key, Record, canonical, word
from evallib.rounds import Work, record_of
from evallib.session import tell
from evallib.task import Item, Task
from evallib.way import Way
from msgspec.structs import replace

_CONTEXT = 768  # tokens of an answer and its question
_FINAL = {"before": "#### ", "regex": "-?[0-9][0-9,]*([.][0-9]{1,2})?"}
_BRIDGE = 6  # tokens that lead to a final answer which is written last
_OURS, _PLAIN = "ours", "plain"
_ENDED = ("complete", "closed")


class Means(NamedTuple):
    """The words behind the question, the request's `edge`, and the tokens that both add."""

    words: str = ""
    edge: Mapping[str, Any] = MappingProxyType({})
    extra: int = 0


_WAYS = {
    "cut": Means(),
    "answer only": Means("Answer only with the number, without any reasoning.", extra=14),
    "be brief": Means("Be brief.", extra=6),
    "forced answer": Means(edge={"fit": "untold", "final": _FINAL}, extra=_BRIDGE),
    _OURS: Means(edge={"fit": True, "final": _FINAL}, extra=18 + _BRIDGE),
}
_COLUMNS = (
    ("way", text("name")),
    ("n", text("n")),
    ("accuracy, %", percent("accuracy")),
    ("within, %", percent("kept")),
    ("complete, %", percent("complete")),
    ("tokens", short("tokens")),
    ("J, of the usual", short("joules")),
)
_NOTE = (
    "The budget is a share of the joules that a plain answer takes in the mean. They are modelled "
    "by counts: one unit for a token that is written, --read units for one that is read. An answer "
    "gets the tokens that its budget has room for. Complete: it ended by itself, or with its final "
    "answer. 95 % paired bootstrap intervals over the questions, of which there are even ones only."
)


@dataclass(frozen=True)
class TokenCosts:
    """Joules in units of a token that is written."""

    read: float

    def of(self, record: Record) -> float:
        """Return what an answer took."""
        read = record.prompt_tokens + (_BRIDGE if record.why == "closed" else 0)
        return self.read * read + record.tokens

    def tokens(self, joules: float, prompt: int) -> int:
        """Return the tokens of an answer that takes so much."""
        return max(1, int(joules - self.read * prompt))


@dataclass
class Answers:
    """Asks the questions, several at once, and keeps the answers; those of a journal are known."""

    asker: Asker
    journal: Journal
    model: str
    seed: int
    room: asyncio.Semaphore
    found: dict[tuple[str, str], Record] = field(default_factory=dict[tuple[str, str], Record])

    async def ask(self, task: Task, item: Item, way: str, means: Means, tokens: int) -> Record:
        """Return one answer; raises Unanswered."""
        asked = f"{item.prompt}\n\n{means.words}".strip()
        edge = dict(means.edge)
        body = question(self.model, asked, edge, tokens, 0.0, self.seed)
        key = Key(task.name, item.id, self.model, canonical(edge), "", word(body))
        record = self.journal.get(key)
        if record is None or record.failed is not None:
            async with self.room:
                reply: Reply = await self.asker.ask(body)
            judged = task.judge(item, reply.text)
            ended = reply.edge.get("ended") or ["complete" if reply.reason == "stop" else "cut"]
            record = record_of(key, Way(way, self.model, edge), reply, judged)
            record = replace(record, why=ended[0])
            self.journal.add(record)
        self.found[item.id, way] = record
        return record


@click.command()
@click.option("--model", default=MODEL, show_default=True, help="The model that answers.")
@click.option("--share", "shares", multiple=True, type=float, help="Of the usual joules.")
@click.option("--read", default=0.42, show_default=True, help="Joules of a token that is read.")
@click.option("--streams", default=4, show_default=True, help="Questions at once.")
@result("budget", BESIDE)
@shared
def budget(
    model: str,
    shares: tuple[float, ...],
    read: float,
    streams: int,
    json_file: Path,
    **shared_options: Any,
) -> None:
    """Compare ways to answer within a budget of joules: right, within it, and complete."""
    end_cleanly_on_signals()
    options = Options(**shared_options)
    try:
        asyncio.run(
            _run(options, model, shares or (0.25, 0.5, 0.75), TokenCosts(read), streams, json_file)
        )
    except (BenchError, Unanswered) as error:
        raise click.ClickException(str(error)) from error


async def _run(
    options: Options,
    model: str,
    shares: Sequence[float],
    costs: TokenCosts,
    streams: int,
    json_file: Path,
) -> None:
    host = Own(options.store, (model,), _CONTEXT, options.threads, sequences=streams)
    journal, works = Journal(json_file.with_suffix(".jsonl")), options.works(even=True)
    boot, tables, keys = (
        Bootstrap(options.seed),
        dict[str, list[dict[str, Any]]](),
        dict[str, Any](),
    )
    async with host.run() as running:
        asker, room = Asker(running.address, options.patience), asyncio.Semaphore(streams)
        for work in works:
            answers = Answers(asker, journal, model, options.seed, room)
            usual = await ask_all(answers, work, shares, costs)
            tables[work.task.name], found = judge(answers, work, shares, costs, usual, boot)
            keys |= found
    about = {"model": model, "read": costs.read, **options.about(works)}
    document = Document("budget", about, tables, [_NOTE], keys)
    tell(document, _COLUMNS, json_file, options.md_file)


async def ask_all(
    answers: Answers, work: Work, shares: Sequence[float], costs: TokenCosts
) -> float:
    """Return the joules of a plain answer in the mean, after all questions in all ways."""
    task = work.task
    plain = await asyncio.gather(
        *(answers.ask(task, item, _PLAIN, Means(), task.max_tokens) for item in work.items)
    )
    usual = sum(map(costs.of, plain)) / len(plain)
    todo: list[Any] = []
    for item, record in zip(work.items, plain, strict=True):  # so that prompts are read once
        for share in shares:
            for way, means in _WAYS.items():
                tokens = costs.tokens(share * usual, record.prompt_tokens + means.extra)
                todo.append(answers.ask(task, item, f"{way}@{share:.0%}", means, tokens))
    await asyncio.gather(*todo)
    return usual


def judge(
    answers: Answers,
    work: Work,
    shares: Sequence[float],
    costs: TokenCosts,
    usual: float,
    boot: Bootstrap,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a row for each way, and what is to be reached."""

    def records(way: str) -> list[Record]:
        return [answers.found[item.id, way] for item in work.items]

    def right(way: str) -> list[float]:
        return [float(record.correct) for record in records(way)]

    rows = [_row(_PLAIN, records(_PLAIN), 1.0, costs, usual, boot)]
    for share in shares:
        for way in _WAYS:
            name = f"{way}@{share:.0%}"
            rows.append(_row(name, records(name), share, costs, usual, boot))
    ours = [row for row in rows if row["name"].startswith(_OURS)]
    half = f"@{0.5:.0%}"
    keys: dict[str, Any] = {
        f"budget_{name}": min(row[name]["value"] for row in ours) for name in ("kept", "complete")
    }
    if 0.5 in shares:
        rivals = [f"{way}{half}" for way in _WAYS if way != _OURS]
        best = max(rivals, key=lambda way: sum(right(way)))
        gain = boot.difference(right(f"{_OURS}{half}"), right(best))
        keys |= {"budget_gain": gain and gain.as_json(), "budget_rival": best}
    return rows, keys


def _row(
    name: str,
    found: Sequence[Record],
    share: float,
    costs: TokenCosts,
    usual: float,
    boot: Bootstrap,
) -> dict[str, Any]:
    joules = [costs.of(record) / usual for record in found]
    told = {
        "accuracy": [float(record.correct) for record in found],
        "kept": [float(took <= share or name == _PLAIN) for took in joules],
        "complete": [float(record.why in _ENDED) for record in found],
        "tokens": [float(record.tokens) for record in found],
        "joules": joules,
    }
    intervals = {key: boot.mean(column) for key, column in told.items()}
    shown = {key: one and one.as_json() for key, one in intervals.items()}
    return {"name": name, "n": len(found), **shown}
