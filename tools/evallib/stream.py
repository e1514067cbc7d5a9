"""A stream of requests with repeats in other words, and with near ones that ask something else."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_rt.core.files import read_yaml
from evallib import EvalError
from evallib.task import Row, read_rows

MRPC = "paraphrase/mrpc_test.tsv"
BANKING = "intent/banking77_train.csv"
_JOINED = (  # what was cut into tokens, as people write it
    (re.compile(r"' '|''|``"), '"'),
    (re.compile(r"\s+([,.;?!%)\]]|n't\b)"), r"\1"),
    (re.compile(r"([$£€(\[])\s+"), r"\1"),
    (re.compile(r"(\w) '(\w)"), r"\1'\2"),
    (re.compile(r"(\w) \u2019 (s|t|d|m|re|ve|ll)\b"), r"\1'\2"),
    (re.compile(r"(\d) ([:/]) (\d)"), r"\1\2\3"),
    (re.compile(r'"\s*([^"]*?)\s*"'), r'"\1"'),
)
LONGEST = 800  # characters: what an embedding model reads whole
REQUESTS = 5000
_SHARES = {"banking": 0.26, "altered": 0.2, "reworded": 0.2}  # the pairs of MRPC are the rest
_SOURCES: Mapping[str, Callable[[Row], str]] = {
    "prompts/mt_bench_question.jsonl": lambda row: row["turns"][0],
    "prompts/arena_hard_v0.1.jsonl": lambda row: row["prompt"],
    "gsm8k/test.jsonl": lambda row: row["question"],
    "arc/arc_challenge_test.jsonl": lambda row: row["query"].removeprefix("Question: "),
    "mmlu/mmlu_test_20_per_subject.jsonl": lambda row: row["question"],
    "math/svamp.jsonl": lambda row: row["context"],
}
_TABLES: Any = read_yaml(Path(__file__).with_name("stream.yaml"))
_SPELT = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(rf"\b(?:\d+|{'|'.join(_SPELT)})\b")
_FEW = re.compile(rf"(?<![\d.,$/-])\b(?:[2-9]|1[01]|{'|'.join(_SPELT)})\b(?![.,:/-]?\d|%)")
_AUXILIARY = re.compile(
    r"(?<=[a-z] )(?:is|are|was|were|can|could|should|will|would|does|did|has|have|must)\b(?! not)"
)
_NEGATION = re.compile(r"\b(?:is|are|was|were|can|could|should|will|would|do|does|did) not\b")
_WAY = re.compile(r"\bfrom (\w+) to (\w+)\b")
_ROLES = re.compile(r"\b([A-Za-z]{4,}) (of|than|by|for|with|and) ((?:the |a )?)([A-Za-z]{4,})\b")


@dataclass(frozen=True)
class Pair:
    """Two texts; `same` is whether one answer does for both. `kind` is what they are counted as."""

    kind: str
    one: str
    other: str
    same: bool


@dataclass(frozen=True)
class Request:
    """A text that is asked, of a `kind`; those of one `meaning` have one answer."""

    text: str
    kind: str
    meaning: int


def stream(data: Path, number: int = REQUESTS, seed: int = 0) -> list[Request]:
    """Return so many requests in an order that the seed decides; raise EvalError."""
    draw = random.Random(seed)
    counts = {kind: round(share * number) for kind, share in _SHARES.items()}
    asked = [text for text, _ in banking(data)]
    draw.shuffle(asked)
    bases = [*_prompts(data), *asked[counts["banking"] :]]
    draw.shuffle(bases)
    pairs = [
        *_made(ALTER, bases, counts["altered"] // 2, draw, same=False),
        *_made(REWORD, bases, counts["reworded"] // 2, draw, same=True),
    ]
    left = number - counts["banking"] - 2 * len(pairs)
    sentences = mrpc(data)
    draw.shuffle(sentences)
    pairs += sentences[: left // 2]
    alone = asked[: number - 2 * len(pairs)]
    found = [*_of_pairs(pairs), *(Request(text, "banking", -at) for at, text in enumerate(alone))]
    draw.shuffle(found)
    return _merged(found)


def _merged(found: Sequence[Request]) -> list[Request]:
    """Return the requests, where those of the same words have one meaning, whatever their case."""
    known: dict[str, int] = {}
    return [
        replace(
            one, meaning=known.setdefault(" ".join(_WORD.findall(one.text.lower())), one.meaning)
        )
        for one in found
    ]


def _of_pairs(pairs: Sequence[Pair]) -> Iterator[Request]:
    for at, pair in enumerate(pairs):
        yield Request(pair.one, pair.kind, 2 * at + 1)
        yield Request(pair.other, pair.kind, 2 * at + (1 if pair.same else 2))


def _prompts(data: Path) -> list[str]:
    texts: list[str] = []
    for file, text in _SOURCES.items():
        try:
            texts += [text(row) for row in read_rows(data, file)]
        except (KeyError, IndexError, TypeError) as error:
            raise EvalError(f"{data / file}: not as it is known: {error!r}") from error
    return [text for text in dict.fromkeys(texts) if len(text) <= LONGEST]


def mrpc(data: Path) -> list[Pair]:
    """The pairs of sentences that people held for paraphrases or not; raises EvalError."""
    pairs: list[Pair] = []
    for number, row in enumerate(rows(data / MRPC, "\t")[1:]):
        if len(row) != 5 or row[0] not in ("0", "1"):
            raise EvalError(f"{data / MRPC}, pair {number + 1}: not as MRPC has it")
        # In the stored file the commas of a sentence are tabs.
        one, other = (joined(text.replace("\t", ",")) for text in row[3:])
        same = row[0] == "1"
        pairs.append(Pair("paraphrase" if same else "other sentence", one, other, same))
    return pairs


def joined(text: str) -> str:
    """Return a sentence without the blanks that a tokenizer has put into it."""
    for cut, whole in _JOINED:
        text = cut.sub(whole, text)
    return text.strip()


def banking(data: Path) -> list[tuple[str, str]]:
    """Questions to a bank, and what each is about; raises EvalError."""
    return [(text, about) for text, about in rows(data / BANKING, ",")[1:]]


def rows(path: Path, delimiter: str) -> Sequence[Sequence[str]]:
    """The rows of a table, its head with them; raises EvalError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file, delimiter=delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = f"{error}; --data names the folder that holds paraphrase, intent and prompts"
        raise EvalError(f"{path}: {why}") from error


Rule = Callable[[str, random.Random], "str | None"]


def _made(
    rules: Mapping[str, Rule], bases: list[str], number: int, draw: random.Random, *, same: bool
) -> list[Pair]:
    """Take texts off `bases` that can be changed, of each kind as many; raise EvalError."""
    pairs: list[Pair] = []
    for at, (kind, rule) in enumerate(rules.items()):
        wanted, kept = (number + at) // len(rules), list[str]()
        while wanted:
            if not bases:
                raise EvalError(f"too few texts for the kind {kind}")
            one = bases.pop()
            other = rule(one, draw)
            if other is None or other == one:
                kept.append(one)
            else:
                pairs.append(Pair(kind, one, other, same))
                wanted -= 1
        bases[:0] = kept
    return pairs


def _number(text: str, draw: random.Random) -> str | None:
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    one = draw.choice(found)
    if one[0].isdigit():
        return _put(text, one, str(int(one[0]) + draw.randint(1, 9)))
    return _put(text, one, draw.choice([word for word in _SPELT if word != one[0]]))


def _negation(text: str, draw: random.Random) -> str | None:
    """Add a "not", or take one away where there is one."""
    there = list(_NEGATION.finditer(text))
    if there:
        one = draw.choice(there)
        return _put(text, one, one[0].removesuffix(" not"))
    found = list(_AUXILIARY.finditer(text))
    return _put(text, one := draw.choice(found), f"{one[0]} not") if found else None


def _role(text: str, draw: random.Random) -> str | None:
    """Have two words around a small one change places."""
    found = [one for one in _ROLES.finditer(text) if one[1].lower() != one[4].lower()]
    if not found:
        return None
    one = draw.choice(found)
    return _put(text, one, f"{one[4]} {one[2]} {one[3]}{one[1]}")


def _direction(text: str, draw: random.Random) -> str | None:
    way = _WAY.search(text)
    if way is not None:
        return _put(text, way, f"from {way[2]} to {way[1]}")
    return _swapped(_TABLES["alter"]["direction"])(text, draw)


def _swapped(table: str) -> Rule:
    """Return the rule that puts another word in the place of one, as stream.yaml has them."""
    words: dict[str, str] = {}
    for pair in table.split():
        one, sign, other = re.split("([=>])", pair.replace("_", " "))
        words |= {one: other, other: one} if sign == "=" else {one: other}
    any_of = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b")

    def rule(text: str, draw: random.Random) -> str | None:
        found = list(any_of.finditer(text))
        return _put(text, one := draw.choice(found), words[one[0]]) if found else None

    return rule


def _numeral(text: str, draw: random.Random) -> str | None:
    """Spell a number that was in digits, or the other way round."""
    found = list(_FEW.finditer(text))
    if not found:
        return None
    one = draw.choice(found)
    spelt = one[0] in _SPELT
    return _put(text, one, str(_SPELT.index(one[0]) + 2) if spelt else _SPELT[int(one[0]) - 2])


def _framed(text: str, draw: random.Random) -> str | None:
    return draw.choice(_TABLES["frames"]).format(text)


def _put(text: str, at: re.Match[str], instead: str) -> str:
    return text[: at.start()] + instead + text[at.end() :]


ALTER: Mapping[str, Rule] = {
    "role": _role,
    "direction": _direction,
    "modality": _swapped(_TABLES["alter"]["modality"]),
    "person": _swapped(_TABLES["alter"]["person"]),
    "time": _swapped(_TABLES["alter"]["time"]),
    "number": _number,
    "negation": _negation,
}
"""What changes the meaning of a text, by kind; the rule returns None where it finds nothing."""

REWORD: Mapping[str, Rule] = {
    "framed": _framed,
    "shortened": _swapped(_TABLES["reword"]["shortened"]),
    "synonym": _swapped(_TABLES["reword"]["synonym"]),
    "numeral": _numeral,
}
"""What leaves the meaning of a text, by kind."""
