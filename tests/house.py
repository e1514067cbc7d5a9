"""Engines that play a script, and a house of daemon rooms around them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import msgspec
import pytest

from edge_rt.board.integral import Energy
from edge_rt.board.monitor import BoardMonitor, Metered
from edge_rt.board.readers.cpu import CpuReader
from edge_rt.board.snapshot import nothing_yet
from edge_rt.config.schema import Config
from edge_rt.core.cached import Which
from edge_rt.core.errors import ModelNotFound
from edge_rt.core.limits import Limits
from edge_rt.core.reports.board import BoardReport
from edge_rt.core.reports.governor import BudgetChange, GovernorState
from edge_rt.core.requests import Call, Cost, Plan
from edge_rt.decoding.params import Sampling
from edge_rt.energy.ledger import Book
from edge_rt.energy.meter import EnergyMeter
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.framing import encode, engine_decoder
from edge_rt.engine.model_pool import ModelPool
from edge_rt.engine.protocol import (
    Delta,
    Embedded,
    EngineWork,
    Finished,
    Generate,
    Loaded,
    ModelSpec,
    Pong,
    Prefixes,
    Started,
    Timings,
    TokensCounted,
    WorkShare,
)
from edge_rt.engine.supervisor.health import EngineHealth
from edge_rt.engine.supervisor.process import ExitReason
from edge_rt.engine.supervisor.supervisor import Supervisor
from edge_rt.generation.prompts import Prompting, Vocabulary
from edge_rt.generation.recovery import Recovery
from edge_rt.generation.service import GenerationService
from edge_rt.generation.state import State
from edge_rt.generation.tasks import TaskService
from edge_rt.governor.admission import Admission
from edge_rt.governor.board_heat import Heat
from edge_rt.governor.budget import Budget
from edge_rt.governor.history import BoardHistory
from edge_rt.governor.knobs.board_knobs import BoardKnobs
from edge_rt.governor.knobs.journal import KnobOutcome
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.governor.loop import GovernorLoop
from edge_rt.governor.report import GovernorReport
from edge_rt.governor.status import changed, governor_state
from edge_rt.models.catalogue import SamplingDefaults
from edge_rt.models.formats.summary import Summary
from edge_rt.models.pair import Pair
from edge_rt.models.pairs import ModelPairs
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store
from edge_rt.models.templates.process import Templating
from edge_rt.models.templates.task import TemplateRefusal, TemplateTask
from edge_rt.models.templates.worker import Templates
from edge_rt.server.foresight import Foresight
from edge_rt.server.service import DaemonService
from edge_rt.server.state_directory import StorageHealth

# pytest's importlib mode leaves helpers unfound.
sys.path.insert(0, str(Path(__file__).parent / "board"))

from trees import Tree

LOST = "the engine is lost here"

_KERNELS = (("read", 1e9, 4e9), ("copy", 0.0, 8e9), ("some", 4e9, 2e9), ("product", 8e9, 1e8))
SWEPT = "\n".join(
    json.dumps({"begin": name})
    + "\n"
    + json.dumps(
        {
            "end": name,
            "name": name,
            "flop": flop,
            "bytes": moved,
            "seconds": 1.0,
            "best_flop_per_s": 1.25 * flop,
            "best_byte_per_s": 1.25 * moved,
        }
    )
    for name, flop, moved in _KERNELS
)

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
    add_bos=False,
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


def replace_id(share: WorkShare, id: int) -> WorkShare:
    return WorkShare(id if share.id == 0 else share.id, share.prefill_s, share.decode_s)


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
        self.felt: Any = None
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
        self._house.metering.hear(meter)


class FakeEngine:
    """Plays a script a request: events are said, exceptions raised, asyncio events awaited."""

    def __init__(self, house: House) -> None:
        self.lost = asyncio.Event()
        self.termination: ExitReason | None = None
        self.fails: list[Exception] = []  # of who asks what is kept
        self.on_work: Callable[[EngineWork], None] = lambda work: None
        self._house = house
        house.metering.listen(cast(EngineClient, self))

    @cached_property
    def fate(self) -> asyncio.Future[ExitReason]:
        """How it ended, once it has."""
        return asyncio.get_running_loop().create_future()

    def lose(self, fate: ExitReason | set[int]) -> None:
        """Be gone, if it is not; a set is of those it was at work for."""
        ended = (
            fate if isinstance(fate, ExitReason) else ExitReason("signal SIGSEGV", frozenset(fate))
        )
        if not self.lost.is_set():
            self.lost.set()
            self._house.metering.lost(ended.requests)
        if not self.fate.done():
            self.fate.set_result(ended)

    def terminate(self, fate: ExitReason) -> None:
        if self.termination is None and not self.lost.is_set():
            self.termination = fate
            self.lose(fate)

    async def load(self, model: str, spec: ModelSpec) -> Loaded:
        self._house.loads.append(model)
        await asyncio.sleep(0)
        return Loaded(model, 0.1, 600, spec.context, 1)

    async def unload(self, model: str) -> None:
        await asyncio.sleep(0)

    async def prefixes(self, forget: Which | None = None) -> Prefixes:
        if self.fails:
            raise self.fails.pop()
        return Prefixes(1, True, forgotten=0 if forget is None else 3)

    async def ping(self) -> Pong:
        self._house.pings += 1
        await asyncio.sleep(0)
        if self.lost.is_set():
            raise EngineLost("gone")
        self._house.steps += self._house.advancing
        steps = self._house.steps
        return Pong(1, 1000, 2, self._house.running, 0, steps, 1.0, 0.9, self._house.duty)

    async def count(
        self, model: str, backend: str, path: str, prompt: str, *, special: bool
    ) -> TokensCounted:
        """A token a letter; of those that were asked for before, all but one are in KV."""
        await asyncio.sleep(0)
        self._house.counted.append((model, backend, path, prompt, special))
        cached = len(prompt) - 1 if prompt in self._house.texts else 0
        return TokensCounted(1, len(prompt), cached)

    def generate(self, make: Callable[[int], Generate]) -> AsyncGenerator[Any, None]:
        return self._play(make, [finished()])

    def perform(self, make: Callable[[int], Any]) -> AsyncGenerator[Any, None]:
        return self._play(make, [embedded()])

    async def _play(
        self, make: Callable[[int], Any], usual: list[Any]
    ) -> AsyncGenerator[Any, None]:
        self._house.ids += 1
        request: Any = engine_decoder().decode(encode(make(self._house.ids))[4:])
        self._house.asked.append(request)
        self._house.open += 1
        script = self._house.scripts.pop(0) if self._house.scripts else usual
        try:
            for item in script:
                await asyncio.sleep(0)
                if item is LOST:
                    self.lose({request.id})
                    raise EngineLost("gone", self.fate)
                if isinstance(item, ExitReason):
                    self.lose(item)
                    raise EngineLost("gone", self.fate, useful=self._house.useful)
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, EngineWork):
                    shares = [replace_id(share, request.id) for share in item.shares]
                    self.on_work(EngineWork(item.begin_s, item.end_s, shares))
                    continue
                if callable(item):
                    item()
                    continue
                if isinstance(item, asyncio.Event):
                    await item.wait()
                else:
                    yield item
        finally:
            self._house.open -= 1


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
        self.budget = Budget()
        self.history = BoardHistory(30.0, lambda: 1_800_000_000.0)
        self.heat = Heat(LeakageWatch(None))
        self.admitted: list[bool] = []  # whether each loads a model
        self.seen: Any = None
        self.fixes: list[int] = []  # thread counts that somebody asked for

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

    def overlooking(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def admit(self, loads: bool) -> None:
        self.admitted.append(loads)
        await self.admission.enter(loads)

    def change(self, change: BudgetChange) -> None:
        self.budget = changed(self.budget, change)

    def state(self, knobs: Iterable[KnobOutcome]) -> GovernorState:
        report = GovernorReport(why=self.limits.why)
        return governor_state(self.budget, self.limits, report, None, None, knobs, {})


BUSY_W = 8.0  # the board's draw while the engine works


class FakeTemplating:
    """Fills in templates in this very process."""

    def __init__(self) -> None:
        self.templates = Templates()

    async def fill(self, task: TemplateTask, client: str | None = None) -> str:
        told = self.templates.fill(msgspec.json.encode(task))
        if isinstance(told, TemplateRefusal):
            raise told.error()
        return told.prompt


class House:
    """A service over a store, a residency and engines that are all in the test's hand."""

    def __init__(
        self,
        config: Config | None = None,
        models: tuple[str, ...] = ("tiny",),
        state_folder: Path | None = None,
    ) -> None:
        self.scripts: list[list[Any]] = []
        self.asked: list[Any] = []  # of the engine, in its words
        self.loads: list[str] = []
        self.checks: list[str] = []
        self.counted: list[tuple[Any, ...]] = []  # prompts
        self.texts: set[str] = set()  # prompts that are in KV
        self.known_pairs: list[Pair] = []
        self.changes = 0  # of the store
        self.ids = self.pings = self.open = 0
        self.running = self.steps = 0  # the decode loop's figures
        self.duty = 1.0
        self.advancing = 0  # passes between two pings
        self.useful = False  # whether engines that are lost have served others
        self.now = 100.0
        self.idle_w = 3.0
        self.bad: Exception | None = None
        self.loading = False
        self.entry = ENTRY
        clock = lambda: self.now  # noqa: E731
        self.senses = FakeSenses(self)
        self.book = Book(None, days=90, max_bytes=1 << 20, clock=lambda: 1_800_000_000.0)
        self.metering = EnergyMeter(
            cast(BoardMonitor, self.senses),
            self.book,
            lambda: self.loading,
            clock=clock,
            wall=lambda: 1_800_000_000.0,
        )
        self._models = models
        self.engine = FakeEngine(self)
        self.supervisor = SimpleNamespace(
            current=self.engine, pid=42, restarts=0, fate=None, client=self.connect
        )
        self.residency = ModelPool(
            self.connect, available=lambda: 1 << 40, reserve_bytes=0, clock=clock
        )
        self.state = State(cast(Supervisor, self.supervisor), self.metering.tokens, clock)
        self.health = EngineHealth(self.connect, self.residency, clock)
        self.governing = FakeGoverning()
        self.knobs: list[KnobOutcome] = []
        config = config or Config()
        self.state_folder = state_folder or Path("/nonexistent")
        self.cpu = FakeCpu(self)
        self.foresight = Foresight(
            config,
            self.state_folder,
            2,
            supervisor=cast(Supervisor, self.supervisor),
            residency=self.residency,
            state=self.state,
            monitor=cast(BoardMonitor, self.senses),
            metering=self.metering,
            governing=cast(GovernorLoop, self.governing),
            available=lambda: 1 << 40,
            clock=clock,
            pause=self.rest,
            reader=cast(CpuReader, self.cpu),
            program=(sys.executable, "-c", f"print({SWEPT!r})"),
        )
        recovery = Recovery(clock, self.residency.refuse)
        answering = GenerationService(
            config,
            cast(Store, self),
            self.residency,
            self.state,
            self.metering,
            cast(GovernorLoop, self.governing),
            self.foresight,
            recovery,
            clock,
        )
        performing = TaskService(
            config,
            answering,
            self.state,
            self.metering,
            self.foresight,
            recovery,
            clock,
        )
        self.service = DaemonService(
            config,
            cast(Store, self),
            state=self.state,
            health=self.health,
            monitor=cast(BoardMonitor, self.senses),
            metering=self.metering,
            governing=cast(GovernorLoop, self.governing),
            knobs=cast(BoardKnobs, SimpleNamespace(report=lambda: self.knobs)),
            generation=answering,
            tasks=performing,
            foresight=self.foresight,
            prompting=Prompting(
                cast(Templating, FakeTemplating()), lambda entry: Vocabulary([], 16)
            ),
            storage=StorageHealth(
                self.state_folder, {"router.db": self.foresight.learning.trouble}
            ),
        )

    async def rest(self, seconds: float) -> None:
        """Let time pass in which nothing is done; others are at work all the same."""
        self.senses.read(self.idle_w, seconds)
        self.cpu.others_s += seconds * self.cpu.others
        await asyncio.sleep(0)

    async def connect(self) -> EngineClient:
        if self.engine.lost.is_set():
            self.engine = self.supervisor.current = FakeEngine(self)
        return cast(EngineClient, self.engine)

    # --- the store's part

    root = Path("/nonexistent/models")

    def entries(self) -> list[ModelRecord]:
        return [replace(self.entry, id=id) for id in sorted(self._models)]

    def get(self, id: str) -> ModelRecord:
        for entry in self.entries():
            if entry.id == id:
                return entry
        raise ModelNotFound(f"no model {id}")

    def stamp(self) -> object:
        return self.changes

    @property
    def pairs(self) -> ModelPairs:
        return ModelPairs(Path("/nonexistent"), self.known_pairs)

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
        how = {name: changes.pop(name) for name in ("mode", "threads", "load") if name in changes}
        return self.service.generate(
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
            return await asyncio.wait_for(test, 20)

        return asyncio.run(bounded())


@pytest.fixture
def kit() -> Kit:
    """What tests build scripts from."""
    return Kit()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty board."""
    return Tree(tmp_path / "board")
