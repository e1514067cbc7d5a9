"""Seconds and joules of answers: predictions against measurements.

A simulated Raspberry Pi 5 around the real daemon, engine and model. It is calibrated as a user
would, in a minute, then every prompt is planned before the first one is run: none of what is
counted was learnt from answers. The prompts are other texts, and other lengths, than those that
the calibration reads.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

from benchlib import BenchError
from benchlib.daemon import MODEL
from benchlib.govern import Found, Setup
from benchlib.http import Address, fetch
from benchlib.noise import Sample, Watch
from benchlib.prompts import Prompts
from benchlib.sim_board import SimBoard, recorded

BOARD = SimBoard("raspberry-pi-5", seed=0)
# Tokens of prompts, about, and of answers.
ASKED = (
    (10, 120),
    (1500, 16),
    (40, 16),
    (700, 60),
    (100, 200),
    (20, 32),
    (1200, 24),
    (180, 64),
    (400, 120),
    (70, 160),
    (900, 40),
    (300, 16),
)
QUICK = ASKED[:5]
_CHARACTERS = 4.2  # of a token of English, about
_REST_S = 2.0  # after calibrating, in which the idle power is seen again

Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One answer: its predicted cost, by the calibration alone, and its real cost.

    `seconds_learnt` and `energy_learnt_j` were predicted right before it, the answers before it
    taken into account. None: not known.
    """

    threads: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    foretold_s: float
    seconds_learnt: float | None
    energy_j: float | None
    foretold_j: float | None
    energy_learnt_j: float | None
    temp_error_c: float | None

    @property
    def seconds_error(self) -> float:
        """Relative to what it took."""
        return abs(self.foretold_s / self.seconds - 1.0)

    @property
    def energy_error(self) -> float | None:
        """Relative to what it took."""
        if self.energy_j is None or self.foretold_j is None:
            return None
        return abs(self.foretold_j / self.energy_j - 1.0)


async def prediction(setup: Setup) -> Found:
    """Median errors over all prompts, answers and thread counts."""
    asked = QUICK if setup.quick else ASKED
    samples: list[Sample] = []
    directory = Path(tempfile.mkdtemp(dir=setup.directory))
    watch, before_s = Watch("prediction", setup.patience_s), time.process_time()
    async with recorded(BOARD, setup.python, directory) as board:
        side = setup.ours({"sensors": {"root": str(board.root)}})
        async with side.run(setup.settings) as running:
            daemon = _Daemon(running.address)
            found = await daemon.calibrate()
            setup.say(_told(found))
            await daemon.rest(_REST_S)
            bodies = [_body(text, answer) for text, answer in _texts(asked, setup.prompts)]
            plans = [await daemon.plan(body) for body in bodies]
            cases: list[Case] = []
            for number, (body, plan) in enumerate(zip(bodies, plans, strict=True), 1):
                cases += _cases(plan, await daemon.run(body))
                setup.say(f"prediction {number}/{len(bodies)}: {_line(cases[-len(plan) :])}")
            samples.append(watch.finish(time.process_time() - before_s + running.child.cpu_s()))
    return found_of(cases, found, samples)


def found_of(cases: Sequence[Case], calibrated: Json, samples: Sequence[Sample] = ()) -> Found:
    """The figures of all cases."""
    energies = [case.energy_error for case in cases if case.energy_error is not None]
    values = {
        "runtime_err_median": median(case.seconds_error for case in cases) if cases else None,
        "energy_err_median": median(energies) if energies else None,
    }
    learnt = [abs(c.seconds_learnt / c.seconds - 1.0) for c in cases if c.seconds_learnt]
    details = {
        "cases": [asdict(case) for case in cases],
        "calibrated": calibrated,
        "runtime_err_median_learnt": median(learnt) if learnt else None,
        "energy_known": len(energies),
    }
    notes = [
        f"Prediction: {len(cases)} answers to {len({c.prompt_tokens for c in cases})} prompts; "
        f"joules of {len(energies)} of them are known."
    ]
    return Found(values=values, details={"prediction": details}, samples=samples, notes=notes)


class _Daemon:
    """Asks one daemon; BenchError where it refuses."""

    def __init__(self, address: Address) -> None:
        self._address = address

    async def calibrate(self) -> Json:
        """What a quick calibration finds, also beside other programs."""
        *_, last = await self._events("/edge/v1/calibrate", {"quick": True, "force": True})
        if last.get("type") != "calibrated":
            raise BenchError(f"not calibrated: {last}")
        return last

    async def plan(self, body: Json) -> list[Json]:
        """The candidates."""
        response = await fetch(self._address, "POST", "/edge/v1/plan", body)
        if response.status != 200:
            raise BenchError(f"POST /edge/v1/plan: {response.status}: {response.body.decode()}")
        return json.loads(response.body)["candidates"]

    async def run(self, body: Json) -> list[Json]:
        """What came of the candidates."""
        _, *tried = await self._events("/edge/v1/plan", body | {"run": True})
        return tried

    async def rest(self, seconds: float) -> None:
        """Leave it alone."""
        await asyncio.sleep(seconds)

    async def _events(self, path: str, body: Json) -> list[Json]:
        response = await fetch(self._address, "POST", path, body)
        if response.status != 200:
            raise BenchError(f"POST {path}: {response.status}: {response.body.decode()}")
        return list(_documents(response.body))


def _documents(body: bytes) -> Iterator[Json]:
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            document = json.loads(line.removeprefix(b"data: "))
            if "error" in document:
                raise BenchError(f"the daemon failed: {document['error']}")
            yield document


def _texts(asked: Sequence[tuple[int, int]], prompts: Prompts) -> Iterator[tuple[str, int]]:
    """Texts of about so many tokens, none of which begins like another, and tokens of answers."""
    pieces = cycle(prompts.long)
    for tokens, answer in asked:
        text = next(pieces)
        while len(text) < tokens * _CHARACTERS:
            text += " " + next(pieces)
        yield text[: round(tokens * _CHARACTERS)], answer


def _body(text: str, answer: int) -> Json:
    return {
        "models": [MODEL],
        "prompt": text,
        "max_tokens": answer,
        "fresh": True,
        "ignore_eos": True,
        "temperature": 0,
    }


def _cases(plan: Sequence[Json], tried: Sequence[Json]) -> list[Case]:
    """What came of each candidate of a plan."""
    foretold = {(one["threads"], one["mode"]): one for one in plan}
    cases: list[Case] = []
    for one in tried:
        if one["failure"] is not None:
            raise BenchError(f"a candidate failed: {one['failure']}")
        before = one["predicted"]
        first = foretold[before["threads"], before["mode"]]
        cases.append(
            Case(
                threads=before["threads"],
                prompt_tokens=one["prompt_tokens"],
                completion_tokens=one["completion_tokens"],
                seconds=one["seconds"],
                foretold_s=first["seconds"],
                seconds_learnt=before["seconds"],
                energy_j=one["energy_j"],
                foretold_j=first["energy_j"],
                energy_learnt_j=before["energy_j"],
                temp_error_c=one["temp_error_c"],
            )
        )
    return cases


def _told(calibrated: Json) -> str:
    rates = ", ".join(
        f"{one['threads']} threads {one['decode_tokens_per_s']:.1f} tok/s"
        for one in calibrated["models"]
    )
    return f"prediction: calibrated; {rates}"


def _line(cases: Sequence[Case]) -> str:
    words: list[str] = []
    for case in cases:
        energy = "-" if case.energy_error is None else f"{case.energy_error:.1%}"
        words.append(f"{case.threads} threads off by {case.seconds_error:.1%}, joules {energy}")
    return f"{cases[0].prompt_tokens}+{cases[0].completion_tokens} tokens, " + "; ".join(words)
