"""What many users ask in turn: much of it again, in the same words, in others, or almost."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import zip_longest
from pathlib import Path

from evallib import EvalError
from evallib.altered import alter, names_in
from evallib.rounds import Work
from evallib.task import Item, Task, sample

_FENCE = "```"
_BEFORE = (
    "Please help me with this.",
    "Hello, I have a question.",
    "Could you answer this for me?",
    "I would like to know this:",
    "Here is a question for you.",
)
_AFTER = ("Thank you!", "Thanks in advance.", "Take your time.", "I am curious what you find.")
_WORDS = tuple(  # each with what may stand in its place, wherever the other one stands
    (re.compile(rf"\b{was}\b"), instead)
    for was, instead in (
        ("Which of the following", "Which one of the following"),
        ("Which one of these", "Which of these"),
        ("What is", "What's"),
        ("How much does", "What does"),
        ("In order to", "To"),
        ("due to", "because of"),
        ("a total of", "altogether"),
        ("each day", "every day"),
        ("each week", "every week"),
        ("is not", "isn't"),
        ("does not", "doesn't"),
        ("cannot", "can not"),
        ("Answer with the letter of the right choice alone", "Give only the right choice's letter"),
        ("Reason step by step", "Think step by step"),
        ("End with the result as a plain number", "Finish with the result as a plain number"),
        ("Complete this function", "Please complete the following function"),
    )
)


def reworded(prompt: str, draw: random.Random) -> str:
    """Politeness before or behind `prompt`, or harmless words of it changed for others of the kind.

    Never `prompt` itself.
    """
    chosen = [pair for pair in _WORDS if draw.random() < 0.5]
    parts = prompt.split(_FENCE)
    parts[::2] = [_changed(part, chosen) for part in parts[::2]]  # what is no program text
    said = _FENCE.join(parts)
    frames = draw.choice(("before", "after", "both") if said == prompt else ("", "before", "after"))
    before, after = draw.choice(_BEFORE), draw.choice(_AFTER)
    if frames in ("before", "both"):
        said = f"{before} {said}"
    return f"{said} {after}" if frames in ("after", "both") else said


def _changed(text: str, pairs: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for was, instead in pairs:
        text = was.sub(instead, text)
    return text


AS_IT_IS, REWORDED, ALTERED = "as it is", "reworded", "altered"
_FORMS = 3  # in which a question is reworded


@dataclass(frozen=True)
class Request:
    """The `number`th, which comes `at_s` seconds after the first.

    `item` has the words in which it is asked, and an id that those questions share which want the
    same answer.
    """

    number: int
    at_s: float
    task: Task
    item: Item
    form: str

    @property
    def question(self) -> tuple[str, str]:
        """What is asked, however it is put."""
        return self.task.name, self.item.id

    @property
    def judged(self) -> bool:
        """Whether there is a reference."""
        return self.item.reference is not None


@dataclass(frozen=True)
class Recipe:
    """How many `requests` there are, and what they are like.

    The question of rank r is asked in proportion to r to the power of -`zipf`; a share of all is
    `reworded`, another one `altered` in a number, a name or a negation, and so another question.
    """

    requests: int
    zipf: float
    reworded: float
    altered: float
    per_minute: float


def works(tasks: Iterable[Task], data: Path, limit: int | None, seed: int) -> list[Work]:
    """The last `limit` questions of each task in the order of `seed`; raises EvalError.

    The other evaluations take the first: what was learnt from those is not asked here.
    """
    found: list[Work] = []
    for task in tasks:
        items = sample(task.items(data), None, seed)
        found.append(Work(task, items[-limit:] if limit else items))
    return found


def workload(found: Sequence[Work], data: Path, recipe: Recipe, seed: int) -> list[Request]:
    """All requests, as `seed` has them; raises EvalError."""
    draw = random.Random(seed)
    pool = list(_mixed(found, draw))
    weights = [rank**-recipe.zipf for rank in range(1, len(pool) + 1)]
    names = names_in(item.prompt for _, item in pool)
    forms = [_forms(item, draw, names) for _, item in pool]
    times = arrivals(data, recipe.requests, recipe.per_minute, seed)
    requests: list[Request] = []
    for number, at_s in enumerate(times):
        (rank,) = draw.choices(range(len(pool)), weights)
        item, form = _put(forms[rank], recipe, draw)
        requests.append(Request(number, at_s, pool[rank][0], item, form))
    return requests


def _mixed(found: Sequence[Work], draw: random.Random) -> Iterator[tuple[Task, Item]]:
    """All questions: the first of each task, in any order, then the second, and so on."""
    for items in zip_longest(*(work.items for work in found)):
        some = [(work.task, item) for work, item in zip(found, items, strict=True) if item]
        yield from draw.sample(some, len(some))


@dataclass(frozen=True)
class _Forms:
    item: Item
    reworded: Sequence[Item]
    altered: Item | None


def _forms(item: Item, draw: random.Random, names: Sequence[str]) -> _Forms:
    others = [replace(item, prompt=reworded(item.prompt, draw)) for _ in range(_FORMS)]
    prompt = alter(item.prompt, draw, names)
    changed = Item(f"{item.id}, altered", prompt, None) if prompt is not None else None
    return _Forms(item, others, changed)


def _put(forms: _Forms, recipe: Recipe, draw: random.Random) -> tuple[Item, str]:
    chance = draw.random()
    if chance < recipe.reworded:
        return draw.choice(forms.reworded), REWORDED
    if chance < recipe.reworded + recipe.altered and forms.altered is not None:
        return forms.altered, ALTERED
    return forms.item, AS_IT_IS


TRACE = "traces/azure_llm_code_2023.csv"
_MICROSECONDS = 26  # characters of a time; the trace has one digit more


def arrivals(data: Path, number: int, per_minute: float, seed: int) -> list[float]:
    """Seconds from the first of so many requests to each of them; raises EvalError.

    They are `number` of the trace's, drawn by chance, as if some of its users had come here; the
    time between is stretched until so many come a minute, in the mean.
    """
    times = _read(data / TRACE)
    if number > len(times):
        raise EvalError(f"{data / TRACE} has {len(times)} arrivals, not {number}: ask for fewer")
    chosen = sorted(random.Random(seed).sample(times, number))
    span_s = chosen[-1] - chosen[0]
    stretch = 60.0 * (number - 1) / per_minute / span_s if span_s > 0.0 else 0.0
    return [stretch * (time_s - chosen[0]) for time_s in chosen]


def _read(path: Path) -> list[float]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [_seconds(row["TIMESTAMP"]) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvalError(f"{path}: {error}; --data names the folder that holds {TRACE}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise EvalError(f"{path}: no trace with a column TIMESTAMP: {error!r}") from error


def _seconds(text: str) -> float:
    told = datetime.fromisoformat(text[:_MICROSECONDS])
    return told.replace(tzinfo=timezone.utc).timestamp()
