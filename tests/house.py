"""The front as the daemon wires it, with a board, a store and engines of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import msgspec
from scripted_engine import LOST, EngineScript, FakeEngine, FakeSupervisor, build

from edge_rt.board.integral import Energy
from edge_rt.board.monitor import Metered
from edge_rt.board.snapshot import nothing_yet
from edge_rt.config.schema import BudgetConfig, Config
from edge_rt.core.chat_format import ChatFormat
from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import ModelNotFound
from edge_rt.core.events import Delta, Embedded, Finished, Started, Timings
from edge_rt.core.limits import Limits
from edge_rt.core.reports.board import BoardReport
from edge_rt.core.reports.governor import BudgetChange, GovernorState
from edge_rt.core.requests import Call, Cost, Plan
from edge_rt.energy.ledger import Book
from edge_rt.engine.protocol import EngineWork, WorkShare
from edge_rt.governor.admission import Admission
from edge_rt.governor.board_heat import Heat
from edge_rt.governor.budget import changed
from edge_rt.governor.history import BoardHistory
from edge_rt.governor.knobs.journal import KnobOutcome
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.governor.report import GovernorReport, governor_state
from edge_rt.models.catalogue import Catalogue, SamplingDefaults
from edge_rt.models.formats.summary import Summary
from edge_rt.models.pair import Pair
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store
from edge_rt.models.templates.process import Templating
from edge_rt.models.templates.task import (
    Analysed,
    AnalysisTask,
    Template,
    TemplateRefusal,
    TemplateTask,
)
from edge_rt.models.templates.worker import Templates
from edge_rt.routing.prompts import Prompting

SUMMARY = Summary(
    architecture="llama",
    name="Tiny",
    organisation=None,
    licence=None,
    quantisation="Q4_1",
    parameters=1000,
    file_bytes=2000,
    context_train=2048,
    layers=2,
    embedding=64,
    heads=4,
    kv_heads=2,
    head_dim_k=16,
    head_dim_v=16,
    kv_per_token=128,
    vocab=600,
    chat_template="{{ messages[0].content }}|",
    bos_token=None,
    eos_token=None,
    control_tokens=(),
    longest_token=16,
)
ENTRY = ModelRecord(
    id="tiny",
    path=Path("tiny.gguf"),
    size=2000,
    sha256="0" * 64,
    created=1_700_000_000,
    licence="mit",
    owner="nobody",
    backend="llama.cpp",
    sampling=SamplingDefaults(temperature=0.5),
    summary=SUMMARY,
)
BUSY_W = 8.0  # the board's draw while the engine works
HUNG_S = 120.0  # after which a test counts as hung; others may have the cores for long


def started() -> Started:
    return Started(0, 3, 0)


def delta(*tokens: int, index: int = 0) -> Delta:
    return Delta(0, index, "".join(f"{token} " for token in tokens), list(tokens))


def finished(index: int = 0) -> Finished:
    return Finished(0, index, "stop", Timings(0.0, 0.0, 0.0, 3, 0, 1))


def embedded(*tokens: int) -> Embedded:
    """Two numbers for each input, which has so many tokens."""
    lengths = list(tokens or (3,))
    return Embedded(0, 2, bytes(8 * len(lengths)), lengths, Timings(0.0, 0.0, 0.0, 3, 0, 0))


class FakeSenses:
    """A board whose supply is read whenever somebody is in a hurry."""

    def __init__(self, house: House) -> None:
        self.supply: Any = None
        self.snapshot: Any = None
        self.quality: Literal["measured", "modelled"] = "measured"
        self.rails: tuple[str, ...] = ("VDD_IN",)
        self.temp_c: float | None = 51.5
        self.simulated: str | None = None
        self.hear: Callable[[Metered], object] | None = None
        self.energy = Energy()
        self.hung = False
        self.hurries = 0
        self._house = house

    def powered(self) -> None:
        """Give the board a supply."""
        self.supply = SimpleNamespace(resolution_s=0.1, readers=(), energy=lambda: self.energy)

    def read(self, watts: float, seconds: float) -> None:
        """Let `seconds` go by at `watts`, and have the supply read."""
        old = self.energy
        self.energy = Energy(old.energy_j + watts * seconds, old.covered_s + seconds, 0.0)
        self._house.now += seconds
        self._tell()

    def hurry(self) -> None:
        self.hurries += 1
        if self.supply is not None and not self.hung:
            self._tell()

    def replace(self, quality: Literal["measured", "modelled"], *rails: str) -> None:
        """Another supply is found, whose meter begins at nothing."""
        self.quality, self.rails, self.energy = quality, rails, Energy()
        self._tell()

    def report(self, idle_w: float | None = None) -> BoardReport:
        return nothing_yet(Path("/"))

    def _tell(self) -> None:
        meter = Metered(self._house.now, self.energy, 0.1, self.quality, self.rails)
        self._house.energy_meter.hear(meter)


class FakeCpu:
    """Processors that `others` cores of other programs keep busy."""

    def __init__(self, house: House) -> None:
        self.others = self.others_s = 0.0
        self._house = house

    def board_s(self) -> float | None:
        return self.others_s

    def process_s(self, pid: int) -> float | None:
        return 0.0


class FakeGoverning:
    """A governor whose limits the test sets."""

    def __init__(self) -> None:
        self.limits = Limits(2)
        self.admission = Admission(self.limits)
        self.budget, self.report = BudgetConfig(), GovernorReport()
        self.history = BoardHistory(30.0, wall)
        self.heat = Heat(LeakageWatch(None))
        self.admitted: list[bool] = []  # whether each loads a model
        self.seen: Any = None
        self.fixes: list[int] = []  # thread counts that somebody asked for
        self.faults: list[str] = []  # of the supply

    @property
    def governor(self) -> FakeGoverning:
        """What has the budget."""
        return self

    def allow(self, **limits: Any) -> None:
        """Allow something else from now on."""
        self.limits = Limits(2, **limits)
        self.admission.update(self.limits)

    @contextmanager
    def fixed(self, threads: int) -> Generator[None]:
        before, self.limits = self.limits, replace(self.limits, threads=threads)
        self.fixes.append(threads)
        yield
        self.limits = before

    async def admit(self, loads: bool) -> None:
        self.admitted.append(loads)
        await self.admission.enter(loads)

    def change(self, change: BudgetChange) -> None:
        self.budget = changed(self.budget, change)

    def state(self, knobs: Iterable[KnobOutcome]) -> GovernorState:
        told = (None, None, knobs, {}, [], self.supply())
        return governor_state(self.budget, self.limits, GovernorReport(), *told)

    def supply(self) -> list[str]:
        return self.faults


def wall() -> float:
    """Unix seconds, always the same."""
    return 1_800_000_000.0


class FakeTemplating:
    """Fills in templates in this very process."""

    def __init__(self) -> None:
        self.templates = Templates()

    async def analyse(self, template: Template) -> ChatFormat:
        told = self.templates.fill(msgspec.json.encode(AnalysisTask(template)))
        if isinstance(told, TemplateRefusal):
            raise told.error()
        assert isinstance(told, Analysed)
        return told.format

    async def fill(self, task: TemplateTask, client: str | None = None) -> str:
        told = self.templates.fill(msgspec.json.encode(task))
        if isinstance(told, TemplateRefusal):
            raise told.error()
        return told.prompt


class House(EngineScript):
    """The front over a store, a board and engines that are all in the test's hand."""

    def __init__(
        self,
        config: Config | None = None,
        models: tuple[str, ...] = ("tiny",),
        state_folder: Path | None = None,
    ) -> None:
        super().__init__()
        self.checks: list[str] = []
        self.known_pairs: list[Pair] = []
        self.changes = 0  # of the store
        self.fetched: dict[str, str] = {}  # names of the hub, and the models that they mean
        self.now = 100.0
        self.idle_w = 3.0
        self.bad: Exception | None = None
        self.entry = ENTRY
        self.senses = FakeSenses(self)
        self.governor_loop = FakeGoverning()
        self.knobs: list[KnobOutcome] = []
        self.cpu = FakeCpu(self)
        self._models = models
        self.book = Book(None, days=90, max_bytes=1 << 20, clock=wall)
        self.front = build(
            config or Config(),
            state_folder or Path("/nonexistent"),
            lambda: self.now,
            store=cast(Store, self),
            script=self,
            senses=self.senses,
            governor_loop=self.governor_loop,
            knobs=SimpleNamespace(report=lambda: self.knobs),
            book=self.book,
            prompting=Prompting(cast(Templating, FakeTemplating())),
            reader=self.cpu,
            cores=2,
            pause=self.rest,
            wall=wall,
        )
        self.energy_meter, self.pool = self.front.energy_meter, self.front.pool
        self.occupancy = self.front.occupancy
        self.routing, self.service = self.front.routing, self.front.service
        self.supervisor = cast(FakeSupervisor, self.front.supervisor)
        self.connect = self.supervisor.client

    @property
    def engine(self) -> FakeEngine:
        """The engine that was started last."""
        return self.supervisor.engine

    async def rest(self, seconds: float) -> None:
        """Let time pass in which nothing is done; others are at work all the same."""
        self.senses.read(self.idle_w, seconds)
        self.cpu.others_s += seconds * self.cpu.others
        await asyncio.sleep(0)

    # --- the store's part

    root = Path("/nonexistent/models")

    def entries(self) -> list[ModelRecord]:
        return [replace(self.entry, id=id) for id in sorted(self._models)]

    def get(self, id: str) -> ModelRecord:
        for entry in self.entries():
            if entry.id == id:
                return entry
        raise ModelNotFound(f"no model {id}")

    def fetched_as(self, name: str) -> str | None:
        return self.fetched.get(name)

    def stamp(self) -> object:
        return self.changes

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(pairs=self.known_pairs)

    def default(self, named: str | None) -> ModelRecord | None:
        assert named is None
        return min(self.entries(), key=lambda entry: entry.created, default=None)

    def check(self, id: str) -> Path:
        self.checks.append(id)
        if self.bad is not None:
            raise self.bad
        return self.entry.path

    # --- short cuts

    def generate(
        self, model: str = "tiny", prompt_tokens: int | None = None, **changes: Any
    ) -> AsyncGenerator[Any, None]:
        fields: dict = {"sampling": Sampling(), "max_tokens": 9}
        prompt = [5, 6] if prompt_tokens is None else [5] * prompt_tokens
        how = {name: changes.pop(name) for name in Plan.__struct_fields__ if name in changes}
        return self.service.generation.generate(
            Call(Plan(model, **how), prompt, False, **{**fields, **changes})
        )

    async def answer(self, model: str = "tiny", **changes: Any) -> list[Any]:
        return [event async for event in self.generate(model, **changes)]

    async def said(self, model: str = "tiny", **changes: Any) -> list[Any]:
        """The answer without its cost."""
        return [e for e in await self.answer(model, **changes) if not isinstance(e, Cost)]


def passing(house: House, seconds: float, *, reading: bool = False) -> Callable[[], None]:
    """So much time goes by, and the engine has worked for the request all the while: for its
    answer, or `reading` it.
    """

    def happen() -> None:
        begin_s = house.now
        for _ in range(round(seconds / 0.1)):
            house.senses.read(BUSY_W, 0.1)
        spent_s = house.now - begin_s
        share = (
            WorkShare(house.ids, spent_s, 0.0) if reading else WorkShare(house.ids, 0.0, spent_s)
        )
        house.engine.on_work(EngineWork(begin_s, house.now, [share]))

    return happen


@dataclass
class Kit:
    """What tests build scripts from."""

    house: type[House] = House
    entry: ModelRecord = ENTRY
    lost: str = LOST
    started: Callable = started
    delta: Callable = delta
    finished: Callable = finished
    embedded: Callable = embedded
    passing: Callable = passing
    busy_w: float = BUSY_W

    @staticmethod
    def run(test: Coroutine[Any, Any, Any]) -> Any:
        """Run `test` to its end, which must come."""

        async def bounded() -> Any:
            return await asyncio.wait_for(test, HUNG_S)

        return asyncio.run(bounded())
