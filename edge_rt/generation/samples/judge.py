"""What verifiers and votes make of the text of an answer."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from edge_rt.config.schema import AnswerChecker
from edge_rt.core.errors import invalid
from edge_rt.generation.samples.sandbox import Sandbox
from edge_rt.generation.samples.terms import SamplesTerms, VoteRegex
from edge_rt.models.answers.parts import MadeCall

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_NAMED = re.compile(r"(?i:answer|choice|option)(?:\s(?i:is))?\W{0,4}([A-Z])\b")
_LETTER = re.compile(r"\b([A-Z])\b")
VOTED = 200  # characters of a vote that are told
_PATTERN_S = 5.0  # for a Python to start, and to search all samples of a round
_SEARCH = """
import json, re, resource, sys
for what, most in ((resource.RLIMIT_CPU, 2), (resource.RLIMIT_AS, 1 << 28)):
    resource.setrlimit(what, (most, most))
pattern, texts = json.load(sys.stdin)
found = [[m[m.lastindex or 0] for m in re.finditer(pattern, text)] for text in texts]
print(json.dumps([one[-1] if one else None for one in found]))
"""


@dataclass(frozen=True)
class Answered:
    """One sample, read: `ended` unless it was cut."""

    text: str
    calls: Sequence[MadeCall]
    ended: bool
    prompt: str | list[int]


@dataclass(frozen=True)
class Judgement:
    """What is said of one sample; see Sampled."""

    passed: bool | None = None
    vote: str | None = None
    why: str | None = None


class Judge:
    """Judges samples as a request says."""

    def __init__(
        self, terms: SamplesTerms, checker: AnswerChecker | None, sandbox: Sandbox
    ) -> None:
        """Raise RequestError for a regular expression that is none."""
        self._terms, self._checker, self._sandbox = terms, checker, sandbox
        accept, vote = terms.accept, terms.vote
        self._regex = None if accept is None else _known(accept.regex, "accept.regex")
        named = vote.regex if isinstance(vote, VoteRegex) else None
        self._voted = _known(named, "vote.regex")

    async def ready(self) -> None:
        """Raise RequestError where the checker could not be run."""
        if self._checker is not None:
            await self._sandbox.prove()

    async def judge(self, answers: Sequence[Answered]) -> list[Judgement]:
        """Return a judgement of each answer."""
        texts = [one.text for one in answers]
        none: list[str | None] = [None] * len(texts)
        found = none if self._regex is None else await search(self._regex, texts)
        if self._voted is not None:
            votes = await search(self._voted, texts) or none
        else:
            votes = [self._vote(one) for one in answers]
        if found is None:
            return [Judgement(None, vote, "the expression took too long") for vote in votes]
        judged = await asyncio.gather(*(map(self._passed, answers, found)))
        return [
            Judgement(passed, vote, why) for (passed, why), vote in zip(judged, votes, strict=True)
        ]

    def _vote(self, one: Answered) -> str | None:
        if self._terms.vote == "calls":
            return calls_vote(one.calls)
        if self._terms.vote == "number":
            return number_vote(one.text)
        return choice_vote(one.text) if self._terms.vote == "choice" else None

    async def _passed(self, one: Answered, found: str | None) -> tuple[bool | None, str | None]:
        accept = self._terms.accept
        if accept is None:
            return None, None
        if not one.ended:
            return False, "it was cut"
        if accept.schema and not _is_json(one.text):
            return False, "it is no JSON"
        if self._regex is not None and found is None:
            return False, "the expression is not found in it"
        if self._checker is None:
            return True, None
        calls = [{"name": call.name, "arguments": call.arguments} for call in one.calls]
        told = {"prompt": one.prompt, "answer": one.text, "calls": calls}
        ending = await self._sandbox.run(self._checker, json.dumps(told))
        if ending.status in (0, 1):
            return ending.status == 0, ending.why or None
        return None, ending.why if ending.status is None else f"ended with {ending.status}"


async def search(pattern: str, texts: Sequence[str]) -> list[str | None] | None:
    """Return the last group of the last match in each text.

    A process of its own searches, since an expression may take for ever: then the whole is None.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _SEARCH),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    given = json.dumps([pattern, texts]).encode()
    try:
        said, _ = await asyncio.wait_for(process.communicate(given), _PATTERN_S)
        return msgspec.json.decode(said, type=list[str | None])
    except (asyncio.TimeoutError, msgspec.DecodeError):
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def calls_vote(calls: Sequence[MadeCall]) -> str | None:
    """Return JSON that is the same for calls with the same names and arguments; None: no calls."""
    said = [[call.name, json.loads(call.arguments, parse_float=_whole)] for call in calls]
    return json.dumps(said, sort_keys=True) if said else None


def number_vote(text: str) -> str | None:
    """Return the last number, without separators and zeros behind the point."""
    found = _NUMBER.findall(text)
    if not found:
        return None
    plain = found[-1].replace(",", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def choice_vote(text: str) -> str | None:
    """Return the letter that is named as the answer, or else the first that stands alone."""
    named, alone = _NAMED.findall(text), _LETTER.findall(text)
    return named[-1] if named else alone[0] if alone else None


def _whole(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() else value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _known(pattern: str | None, field: str) -> str | None:
    try:
        return pattern and re.compile(pattern).pattern
    except (re.error, OverflowError, RecursionError) as error:
        raise invalid(f"edge.samples.{field}", f"expected a regular expression: {error}") from error
