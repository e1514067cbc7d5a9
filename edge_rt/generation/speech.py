"""Transcriptions and spoken texts: admitted, paced and booked as answers are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Literal

import msgspec

from edge_rt.config.schema import Config
from edge_rt.core.errors import ModelNotFound
from edge_rt.core.events import Timings
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.requests import LATEST, Cost
from edge_rt.energy.meter import EnergyMeter
from edge_rt.engine.model_pool import ModelPool
from edge_rt.governor.loop import GovernorLoop
from edge_rt.speech.companion import Companion
from edge_rt.speech.protocol import Segment, Spoken, Task, Transcript

Ability = Literal["transcriber", "voice"]
USUAL: dict[Ability, str] = {"transcriber": "whisper-1", "voice": "tts-1"}
"""OpenAI's names, which mean whatever model there is, as "default" does."""

BACKENDS: dict[Ability, str] = {"transcriber": "whisper.cpp", "voice": "onnx"}

# Bytes of memory for a byte of the file, and besides: the figures of whisper.cpp's README for its
# models, and the peak with two minutes of sound: 328 MB with tiny.en, 248 MB with a voice of 63 MB.
_NEED: dict[Ability, tuple[float, float]] = {"transcriber": (1.4, 220e6), "voice": (2.0, 120e6)}


class SpeechModel(msgspec.Struct, frozen=True):
    """What transcribes, or speaks: a file that the configuration names."""

    ability: Ability
    path: Path

    @property
    def id(self) -> str:
        """Its name for clients, that of the file."""
        return self.path.stem

    @property
    def need_bytes(self) -> int:
        """About the memory that it takes."""
        factor, besides = _NEED[self.ability]
        size = self.path.stat().st_size if self.path.is_file() else 0
        return int(factor * size + besides)


class SpeechDone(msgspec.Struct, frozen=True):
    """What came of a request, where its time went, and what it cost."""

    result: Transcript | Spoken
    timings: Timings
    cost: Cost


class SpeechService:
    """Hands one request after the other to the companion, within the limits of the board.

    The end of the companion costs the request that it was at work on, and no other.
    """

    def __init__(
        self,
        config: Config,
        companion: Companion,
        pool: ModelPool,
        occupancy: Occupancy,
        energy_meter: EnergyMeter,
        governor_loop: GovernorLoop,
        clock: Callable[[], float],
    ) -> None:
        """`clock` is in seconds."""
        self.settings = config.speech
        self._config, self._companion, self._pool = config, companion, pool
        self._occupancy, self._energy_meter = occupancy, energy_meter
        self._governor_loop, self._clock = governor_loop, clock

    def model(self, ability: Ability, name: str) -> SpeechModel:
        """Return the model of that ability, if it has that name; raises ModelNotFound."""
        file = self.settings.transcriber if ability == "transcriber" else self.settings.voice
        if file is None:
            what = f"no {ability} is configured: name its file as `speech.{ability}`"
            raise ModelNotFound(f"{what}; see the guide to speech")
        model, bare = SpeechModel(ability, Path(file)), name.removesuffix(LATEST)
        meant = self._config.models.aliases.get(name, bare)
        if meant not in (model.id, "default", USUAL[ability]):
            raise ModelNotFound(f"no {ability} is called {name!r:.120}; there is {model.id!r}")
        return model

    async def run(
        self, model: SpeechModel, make: Callable[[int], Task], app: str
    ) -> AsyncGenerator[Segment | SpeechDone]:
        """Yield each segment of the task that `make` builds for some threads, then all of it.

        It counts for the application `app`. Closing the generator cancels the request. Raises
        RequestError, Unavailable or EngineError.
        """
        usage, came_s = self._energy_meter.open(model.id, app=app), self._clock()
        await self._energy_meter.watchable(usage, None, None)
        await self._energy_meter.apps.admit(usage.spending)
        with (
            self._occupancy.request(self._config.requests.queue),
            self._energy_meter.leaving(usage),
        ):
            async with self._companion.turn():
                self._energy_meter.apps.check(usage.spending)  # of which others ahead took a part
                loads = not self._companion.holds(str(model.path))
                await self._governor_loop.admit(loads)
                if loads:
                    await self._pool.make_room(model.id, model.need_bytes)
                worked, begin_s = self._energy_meter.companion(usage), self._clock()
                result = None
                async with aclosing(self._companion.run(make, worked)) as told:
                    async for event in told:
                        if isinstance(event, Segment):
                            yield event
                        else:
                            result = event
                timings = Timings(begin_s - came_s, 0.0, self._clock() - begin_s, 0, 0, 0)
            assert result is not None, "what ends without one raises"
            yield SpeechDone(result, timings, await self._energy_meter.settle(usage))
