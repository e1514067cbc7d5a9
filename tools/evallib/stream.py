"""A stream of requests with repeats in other words, and with near ones that ask something else."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evallib import EvalError
from evallib.pairs import Pair, banking, mrpc
from evallib.task import Row, read_rows

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


def _table(text: str) -> dict[str, str]:
    """Return each word with what stands in its place, of pairs that stand for each other."""
    pairs = [pair.split("=") for pair in text.split()]
    return {one: other for pair in pairs for one, other in (pair, reversed(pair))}


_WORDS: Mapping[str, Mapping[str, str]] = {
    "direction": _table(
        "up=down left=right increase=decrease increased=decreased buy=sell send=receive "
        "above=below higher=lower into=from rise=fall rose=fell gain=lose north=south more=less"
    ),
    "modality": {
        **_table("can=must could=should may=will might=would"),
        **{"have to": "may", "need to": "want to"},
    },
    "person": _table("my=your I=you he=she his=her him=them we=they our=their"),
    "time": {
        **_table("today=tomorrow before=after morning=evening was=is were=are day=week did=does"),
        **_table("month=year Monday=Friday Tuesday=Thursday June=July last=next old=new"),
        **{"will": "did", "has": "had", "have": "had"},
    },
}
_SYNONYMS = _table(
    "big=large buy=purchase start=begin help=assist get=obtain quick=fast also=too about=around "
    "wrong=incorrect said=stated happened=occurred find=locate show=display each=every "
    "total=overall picture=image kids=children"
)
_SHORT = {
    **_table("cannot=can't do_not=don't does_not=doesn't did_not=didn't is_not=isn't it_is=it's"),
    **_table("I_am=I'm I_have=I've what_is=what's What_is=What's was_not=wasn't I_would=I'd"),
}
_FRAMES = (
    "Please tell me: {}",
    "Hello, I have a question. {}",
    "{} Thank you!",
    "Hi! {} Thanks in advance.",
    "I would like to know this. {}",
    "{} Please answer.",
)


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
        *_altered(bases, counts["altered"] // 2, draw),
        *_reworded(bases, counts["reworded"] // 2, draw),
    ]
    left = number - counts["banking"] - 2 * len(pairs)
    sentences = mrpc(data)
    draw.shuffle(sentences)
    pairs += [_of_mrpc(pair) for pair in sentences[: left // 2]]
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


def _of_mrpc(pair: Pair) -> Pair:
    return Pair("paraphrase" if pair.same else "other sentence", pair.one, pair.other, pair.same)


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


def _altered(bases: list[str], number: int, draw: random.Random) -> list[Pair]:
    return _made(ALTER, bases, number, draw, same=False)


def _reworded(bases: list[str], number: int, draw: random.Random) -> list[Pair]:
    return _made(REWORD, bases, number, draw, same=True)


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
    return _swapped(_WORDS["direction"])(text, draw)


def _swapped(table: Mapping[str, str]) -> Rule:
    """Return the rule that puts another word of `table` in the place of one."""
    words = {one.replace("_", " "): other.replace("_", " ") for one, other in table.items()}
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
    return draw.choice(_FRAMES).format(text)


def _put(text: str, at: re.Match[str], instead: str) -> str:
    return text[: at.start()] + instead + text[at.end() :]


ALTER: Mapping[str, Rule] = {
    "role": _role,
    "direction": _direction,
    "modality": _swapped(_WORDS["modality"]),
    "person": _swapped(_WORDS["person"]),
    "time": _swapped(_WORDS["time"]),
    "number": _number,
    "negation": _negation,
}
"""What changes the meaning of a text, by kind; the rule returns None where it finds nothing."""

REWORD: Mapping[str, Rule] = {
    "framed": _framed,
    "shortened": _swapped(_SHORT),
    "synonym": _swapped(_SYNONYMS),
    "numeral": _numeral,
}
"""What leaves the meaning of a text, by kind."""
