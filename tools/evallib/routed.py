"""What policies come to that answered the same workload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evallib.intervals import Bootstrap, Interval
from evallib.record import Course, Served
from evallib.way import LARGE, SMALL
from evallib.workload import Request

Answers = Mapping[int, Served]  # by the request's number; those that failed are not there
Value = Callable[[Served], float | None]
_SHOWN = 120  # characters of a question, as the cache tells it


def _energy_j(one: Served) -> float | None:
    return one.energy_j


def _correct(one: Served) -> float:
    return float(one.correct)


def _seconds(one: Served) -> float:
    return one.seconds


@dataclass(frozen=True)
class Routed:
    """All answers of all policies, by their names. `large` is the large model's id.

    Intervals are over questions: requests that ask the same are drawn together. Of requests that
    have a reference those are hard that the small model by itself gets wrong and the large right.
    """

    requests: Sequence[Request]
    answers: Mapping[str, Answers]
    large: str
    boot: Bootstrap

    def rows(self, task: str | None = None) -> list[dict[str, Any]]:
        """A row for each policy, of one task's requests or of all."""
        some = [one for one in self.requests if task in (None, one.task.name)]
        return [self._row(name, some) for name in self.answers]

    def _row(self, name: str, requests: Sequence[Request]) -> dict[str, Any]:
        answers = self.answers[name]
        there = [one for one in requests if one.number in answers]
        found = [answers[one.number] for one in there]
        judged = [one for one in there if one.judged]
        made = [one for one in there if answers[one.number].cache is None]
        seconds = [one.seconds for one in found]
        joules = [one.energy_j for one in found if one.energy_j is not None]
        return {
            "name": name,
            "n": len(found),
            "failed": len(requests) - len(found),
            "judged": len(judged),
            "energy_j": self._mean(there, answers, _energy_j),
            "total_j": sum(joules) if joules else None,
            **(self._board(name) if len(requests) == len(self.requests) else {}),
            "p50_s": float(np.percentile(seconds, 50)) if seconds else None,
            "p95_s": float(np.percentile(seconds, 95)) if seconds else None,
            "accuracy": self._mean(judged, answers, _correct),
            "large_share": _share([one.wrote(self.large) for one in found]),
            "by": dict(Counter(self._kind(one) for one in found).most_common()),
            "against_large": {
                "energy_j_ratio": self._ratio(there, answers, _energy_j),
                "made_j_ratio": self._ratio(made, answers, _energy_j),
                "accuracy_ratio": self._ratio(judged, answers, _correct),
                "seconds_ratio": self._ratio(there, answers, _seconds),
            },
            **self._hard(judged, answers),
            **self._hits(there, answers),
            "temp_c": max((one.temp_c for one in found if one.temp_c is not None), default=None),
        }

    # --- figures

    def _mean(self, some: Sequence[Request], answers: Answers, value: Value) -> Any:
        return _json(self._over(some, lambda one: value(answers[one.number]), lambda _: 1.0))

    def _ratio(self, some: Sequence[Request], answers: Answers, value: Value) -> Any:
        """Over what the large model by itself comes to with the same requests."""
        large = self.answers.get(LARGE, {})
        return _json(
            self._over(
                [one for one in some if one.number in large],
                lambda one: value(answers[one.number]),
                lambda one: value(large[one.number]),
            )
        )

    def _over(
        self,
        some: Sequence[Request],
        above: Callable[[Request], float | None],
        below: Callable[[Request], float | None],
    ) -> Interval | None:
        """The sum of one over the sum of the other, where both are known."""
        sums: dict[tuple[str, str], list[float]] = {}
        for one in some:
            a, b = above(one), below(one)
            if a is not None and b is not None:
                both = sums.setdefault(one.question, [0.0, 0.0])
                both[0], both[1] = both[0] + a, both[1] + b
        columns = list(sums.values())
        return self.boot.ratio([a for a, _ in columns], [b for _, b in columns])

    def _board(self, name: str) -> dict[str, float | None]:
        """What the board drew beyond its draw at rest, and all it drew in the longest span of all
        policies, at rest once all was answered.
        """
        courses = {n: c for n, found in self.answers.items() if (c := _course(found)) is not None}
        course, large = courses.get(name), courses.get(LARGE)
        if course is None or course.added_j is None or course.rest_w is None:
            return {}
        rest_j = course.rest_w * max(one.span_s for one in courses.values())
        theirs = large.added_j if large is not None else None
        return {
            "added_j": course.added_j,
            "added_ratio": course.added_j / theirs if theirs else None,
            "board_j": course.added_j + rest_j,
            "span_s": course.span_s,
        }

    # --- who answered

    def _kind(self, one: Served) -> str:
        if one.cache is not None:
            return f"{one.cache} hit"
        kept = one.model == self.large and not one.wrote(self.large)
        return f"{one.model} {one.mode}{', not handed over' if kept else ''}"

    def _hard(self, judged: Sequence[Request], answers: Answers) -> dict[str, Any]:
        """Of what the small model gets wrong, and of what the large one does better, how much the
        large one had a part in.
        """
        small, large = self.answers.get(SMALL, {}), self.answers.get(LARGE, {})
        wrong = [r for r in judged if r.number in small and not small[r.number].correct]
        hard = [r for r in wrong if r.number in large and large[r.number].correct]

        def wrote(one: Request) -> float:
            return float(answers[one.number].wrote(self.large))

        def right(one: Request) -> float:
            return _correct(answers[one.number])

        return {
            "hard": len(hard),
            "recall": _json(self._over(hard, wrote, lambda _: 1.0)),
            "mended": _json(self._over(hard, right, lambda _: 1.0)),
            "wrong": len(wrong),
            "recall_wrong": _json(self._over(wrong, wrote, lambda _: 1.0)),
        }

    def _hits(self, there: Sequence[Request], answers: Answers) -> dict[str, Any]:
        hits = [one for one in there if answers[one.number].cache is not None]
        near = [one for one in hits if answers[one.number].cache == "semantic"]
        false = [one for one in near if self._false(one, answers)]
        return {
            "exact": len(hits) - len(near),
            "semantic": len(near),
            "false": len(false),
            "false_hits": [
                {"asked": one.item.prompt, "answered": answers[one.number].question}
                for one in false
            ],
        }

    def _false(self, request: Request, answers: Answers) -> bool:
        """Whether the neighbour asked something else, or its answer is wrong for this question
        where the one that the same model gives to it is right.
        """
        one = answers[request.number]
        asked = [other for other in self.requests if _shown(other.item.prompt) == one.question]
        same = [r for r in asked if r.number in answers and answers[r.number].text == one.text]
        if not any(other.question == request.question for other in same):
            return True
        own = self.answers.get(LARGE if one.wrote(self.large) else SMALL, {}).get(request.number)
        return request.judged and own is not None and own.correct and not one.correct


def _shown(prompt: str) -> str:
    return prompt if len(prompt) <= _SHOWN else f"{prompt[: _SHOWN - 1]}…"


def _course(found: Answers) -> Course | None:
    return next((one.course for one in found.values()), None)


def _share(found: Sequence[bool]) -> float | None:
    return sum(found) / len(found) if found else None


def _json(found: Interval | None) -> dict[str, float | None] | None:
    return None if found is None else found.as_json()
