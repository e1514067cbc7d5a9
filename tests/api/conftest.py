"""A scripted daemon, and a client that speaks ASGI to the app over it."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from edge_rt.api.app import create_app
from edge_rt.config.applications import AppBudget
from edge_rt.config.caching import Cache, Semantic
from edge_rt.config.schema import AnswerChecker, CheckerConfig, Config, Requests, Tcp
from edge_rt.core.cached import Prefixes, digest
from edge_rt.core.chat_format import GENERIC, ChatFormat, ChatPrompt
from edge_rt.core.decoding import CheckerSpec, Mode, Sampling
from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.events import (
    Delta,
    Embedded,
    Finished,
    Started,
    Timings,
    Tokenized,
)
from edge_rt.core.reports.board import (
    AppBudgetState,
    AppTotal,
    BoardName,
    BoardReport,
    Booking,
    ChannelState,
    DayTotal,
    LedgerReport,
    ModelTotal,
    NotRead,
    RailEnergy,
    Supply,
)
from edge_rt.core.reports.governor import (
    BudgetChange,
    BudgetState,
    GovernorState,
    LimitsState,
    Past,
)
from edge_rt.core.reports.load import LoadReport, ModelLoad
from edge_rt.core.reports.planning import (
    CalibrateRequest,
    PlanAsk,
    StorageReport,
)
from edge_rt.core.requests import (
    Call,
    Cost,
    EmbedCall,
    Event,
    Identity,
    Kind,
    LoadedModel,
    ModelCard,
    Plan,
    Repeat,
)
from edge_rt.core.routing import RouteRequest
from edge_rt.core.trace import Trace
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.routing.choice.traces import Traces
from edge_rt.routing.prompts import SEVERAL, variables_of, with_note, with_thoughts

ALONE = "smol answers by itself: other-1.5b@q4 cannot help"
UNIX = ("/run/edge-rt/edge-rt.sock", None)


def model_card(model: str, **changes: object) -> ModelCard:
    fields: dict = {
        "created": 1_700_000_000,
        "owned_by": "tester",
        "context": 4096,
        "loaded": True,
        "size_bytes": 1000,
        "sha256": "ab" * 32,
        "backend": "llama.cpp",
        "sampling": Sampling(temperature=0.7, top_k=40),
        "has_template": True,
        "variant": "llama.cpp-q4_0",
    }
    return ModelCard(id=model, **{**fields, **changes})


def started(prompt: int = 10, cached: int = 4) -> Started:
    return Started(1, prompt, cached)


def delta(text: str, index: int = 0, tokens: int = 1, logprobs: list | None = None) -> Delta:
    return Delta(1, index, text, list(range(tokens)), logprobs or [])


def finished(
    index: int = 0, reason: str = "stop", decode_s: float = 0.5, tokens: int = 2
) -> Finished:
    return Finished(1, index, reason, Timings(0.1, 0.2, decode_s, 10, 4, tokens))


def cost(energy_j: float | None = 1.5, **changes: object) -> Cost:
    fields: dict = {"quality": "measured", "power_w": 6.25, "temp_c": 51.5, "seconds": 0.5}
    fields["power_quality"] = "measured"
    if energy_j is None:
        fields["quality"] = "unresolved"
    return Cost(energy_j=energy_j, **{**fields, **changes})


def hello(call: Call) -> list[Event]:
    """The usual script: every answer says "Hello world" in two tokens."""
    texts = [delta(text, index) for text in ("Hello", " world") for index in range(call.n)]
    *firsts, last = (finished(index) for index in range(call.n))
    return [started(), *texts, *firsts, cost(), last]


def channel(name: str, kind: str, value: float | None, **changes: object) -> ChannelState:
    fields: dict = {
        "reader": "a reader",
        "last": value,
        "age_s": 0.1,
        "error": None if value is not None else "EIO",
        "quality": "measured",
        "source": f"/sys/{name}",
    }
    return ChannelState(name=name, kind=kind, value=value, **{**fields, **changes})


def board_report(**changes: object) -> BoardReport:
    fields: dict = {
        "board": BoardName("jetson-orin-nano", "Jetson Orin Nano", "compatible", "exact"),
        "root": "/",
        "simulated": False,
        "supply": Supply(["VDD_IN"], "module", "measured", 6.5, 3.5, 650.0, 100.0, 2.5),
        "temp_c": 51.5,
        "throttled": [],
        "channels": [channel("VDD_IN", "power_w", 6.5), channel("cpu-thermal", "temp_c", 51.5)],
        "energies": [RailEnergy("VDD_IN", "modelled", 650.0, 100.0, 2.5)],
        "not_read": [NotRead("pi-pmic", "no /dev/vcio")],
    }
    return BoardReport(**{**fields, **changes})


def ledger_report() -> LedgerReport:
    return LedgerReport(
        stored=True,
        days=[DayTotal("2027-01-15", "measured", 650.0, 150.0, 500.0, 100.0, 2.5)],
        models=[ModelTotal("2027-01-15", "smol", 3, 1, 30, 12, 60, 4.5, 150.0)],
        last=[Booking(1.8e9, "smol", "done", 10, 4, 20, 2.0, 1.5, None, "unresolved", None, None)],
        apps=[AppTotal("2027-01-15", "cam", 3, 1, 90, 150.0)],
        budgets=[AppBudgetState("cam", 150.0, 3600.0)],
        battery_s=45_000.0,
    )


def governor_state(**changes: object) -> GovernorState:
    fields: dict = {
        "budget": BudgetState(8.0, 1.0, 1.5, 70.0, 50_000.0, "day"),
        "limits": LimitsState(2, 0.6, 24, "open", False, True, 0.0),
        "guard": "caution",
        "allowance_w": 7.8,
        "allowances_w": {"power_w": 7.8, "temp_c": 9.0},
        "bound_by": "power_w",
        "margin_w": 0.2,
        "predicted_w": 7.7,
        "idle_w": 3.5,
        "horizon_s": 30.0,
        "forecast_c": 66.2,
        "band_c": 1.4,
        "guard_in_s": 95.0,
        "trusted": True,
        "why": "the cap of 8.00 W holds the engine to 60 % of the time",
        "missing": [],
        "spent_j": 12_000.0,
        "period_left_s": 7200.0,
        "knobs": [],
        "held_back_s": {"power_w": 12.5},
    }
    return GovernorState(**{**fields, **changes})


def past() -> Past:
    nothing: list = [None, None]
    times = [1.8e9, 1.8e9 + 1.0]
    return Past(
        horizon_s=30.0,
        time=times,
        power_w=[5.0, None],
        temp_c=[50.5, 51.0],
        forecast_c=nothing,
        band_c=nothing,
        allowance_w=nothing,
        cap_w=[8.0, 8.0],
        trip_c=[80.0, 80.0],
        duty=[1.0, 0.5],
        threads=[2, 2],
        guard=["ok", "caution"],
        running=[0, 1],
        waiting=[0, 0],
        tokens_per_s=[0.0, 21.5],
    )


def task_cards() -> list[ModelCard]:
    return [
        model_card("vec", kind="embedding", backend="onnx"),
    ]


@dataclass
class FakeService:
    """Plays `script`: events are given out, exceptions raised, asyncio events waited for."""

    script: Callable[[Call], list] = hello
    models: list[ModelCard] = field(
        default_factory=lambda: [model_card("smol"), model_card("other-1.5b@q4")]
    )
    calls: list[Call] = field(default_factory=list)
    plans: list = field(default_factory=list)  # documents of a plan, played like a script
    calibrations: list = field(default_factory=list)  # and of a calibration
    asks: list[PlanAsk | CalibrateRequest] = field(default_factory=list)
    rendered: list[dict] = field(default_factory=list)
    opened: int = 0
    closed: int = 0  # however they ended
    most_open: int = 0
    proof: dict | Exception = field(default_factory=lambda: {"status": "ok"})
    render_error: Exception | None = None
    prompt: str = "<rendered>"  # of all messages
    snapshot: BoardReport | Exception = field(default_factory=board_report)
    twin: str | None = None  # a simulated board
    booked: LedgerReport = field(default_factory=ledger_report)
    asked: list[tuple[int, int]] = field(default_factory=list)  # days and last of the ledger
    governor: GovernorState | Exception = field(default_factory=governor_state)
    changes: list[BudgetChange] = field(default_factory=list)
    was: Past = field(default_factory=past)
    stands_in: str | None = None  # the model that answers for all
    mode: Mode | None = None  # in which everything is answered
    wishes: list[RouteRequest] = field(default_factory=list)
    routing: Trace | None = None  # how everything is routed
    threads: int | None = None  # that are chosen with it
    tokens: int | None = None  # that every answer may have to keep its limits
    limits: list[tuple] = field(default_factory=list)  # joules and seconds of these
    written: list = field(default_factory=list)  # prompts that the router saw
    traces: Traces = field(default_factory=Traces)
    since: list[float] = field(default_factory=list)
    seeds_repeat: bool = True
    timed: tuple[str, ...] = ()  # models whose templates know the time
    told: list[tuple[Identity, ...]] = field(default_factory=list)  # as who may answer
    repeats: list[Repeat] = field(default_factory=list)
    kept: Prefixes | Exception = field(default_factory=lambda: Prefixes(0, enabled=False))
    forgotten: list = field(default_factory=list)  # of prompts
    silent: list[ModelCard] = field(default_factory=task_cards)  # models that write nothing
    embeds: list[EmbedCall] = field(default_factory=list)
    cut: list[tuple] = field(default_factory=list)  # what was to become tokens
    fault: Exception | None = None  # of every task
    hold: asyncio.Event | None = None  # that every task waits for
    cancelled: int = 0  # tasks
    format: ChatFormat = field(default_factory=lambda: ChatFormat(GENERIC))
    others: dict[str, str] = field(default_factory=dict)  # aliases
    preloads: list[str] = field(default_factory=list)
    unloads: list[str] = field(default_factory=list)
    unloadable: bool = True  # whether nobody else uses a model
    eyes: bool = False  # whether the models see
    files: tuple[str, ...] = ("ledger.db", "cache.db")  # that the daemon keeps; the last fails
    app_j: dict[str, float] = field(default_factory=dict)  # since the start
    idle_j: float = 0.0
    budgets: list[AppBudgetState] = field(default_factory=list)

    def cards(self) -> list[ModelCard]:
        return self.models

    def card(self, model: str) -> ModelCard:
        model = model.removesuffix(":latest")
        model = self.others.get(model, model)
        for card in self.models:
            if card.id == model or model == "default":
                return card
        raise ModelNotFound(f"There is no model {model!r}.")

    def sees(self, model: str) -> bool:
        return self.card(model).id != "" and self.eyes

    def aliases(self) -> dict[str, str]:
        return self.others

    def loaded(self) -> list[LoadedModel]:
        return [LoadedModel(c.id, 2 * c.size_bytes, 0, c.context, 60.0) for c in self.models]

    async def preload(self, model: str) -> None:
        self.preloads.append(self.card(model).id)

    async def unload(self, model: str) -> bool:
        self.unloads.append(model)
        return self.unloadable

    # --- the parts of the daemon, which this is in one

    @property
    def router(self) -> FakeService:
        return self

    def tokens_within(
        self, plan: Plan, energy_j: float | None, seconds: float | None
    ) -> int | None:
        self.limits.append((plan.model, energy_j, seconds))
        return self.tokens

    generation = tasks = energy_meter = governor_loop = state = router

    @property
    def apps(self) -> SimpleNamespace:
        return SimpleNamespace(report=lambda: self.budgets)

    @property
    def identities(self) -> SimpleNamespace:
        return SimpleNamespace(of=self._identities)

    async def _plan(self, request: RouteRequest) -> Plan:
        card = self.card(request.model)
        if self.stands_in is not None:
            other, less = self.card(self.stands_in).id, "the board is hot"
            prompt = await self._prompt(other, request)
            return Plan(other, prompt=prompt, asked=card.id, less=less)
        alone = Plan(card.id, prompt=await self._prompt(card.id, request))
        mode, asks = self.mode, request.mode.asks
        if mode is None or mode.partner is None:
            return msgspec.structs.replace(alone, mode=mode)
        if request.own_tokens and not asks:
            return alone
        fallback = None if asks else msgspec.structs.replace(alone, less=ALONE)
        return msgspec.structs.replace(alone, mode=mode, alone=fallback)

    async def _prompt(self, model: str, request: RouteRequest) -> Any:
        if not isinstance(request.prompt, ChatPrompt):
            return request.prompt
        return await self.render(model, request.prompt, request.client)

    def able(self, model: str, kind: Kind) -> ModelCard:
        model = model.removesuffix(":latest")
        for card in [*self.models, *self.silent]:
            if (model == "default" and card.kind == kind) or card.id == model:
                if card.kind != kind:
                    raise RequestError("another kind", param="model", code="unsupported")
                return card
        raise ModelNotFound(f"There is no model {model!r}.")

    async def route(self, route_request: RouteRequest) -> Plan:
        """The model asked for; of all, where any may answer, the last."""
        self.wishes.append(route_request)
        if self.routing is None:
            return await self._plan(route_request)
        self.written.append(prompt := await self._prompt(self.models[-1].id, route_request))
        trace = self.routing if route_request.trace else None
        why, threads = self.routing.why, self.threads
        return Plan(self.models[-1].id, prompt=prompt, threads=threads, why=why, trace=trace)

    def trace(self, id: str) -> Trace:
        return self.traces.get(id)

    def _identities(self, model: str, partner: str | None) -> tuple[Identity, ...]:
        """All models for "auto", else the one asked for, whoever stands in for it.

        It is the same object as long as nothing has changed.
        """
        cards = self.models if model == "auto" else [self.card(model)]
        found = tuple(
            Identity(
                card,
                digest(card.id, card.sha256, partner),
                self.seeds_repeat,
                tuple(id for id in self.timed if id in (card.id, partner)),
            )
            for card in cards
        )
        if found not in self.told:
            self.told.append(found)
        return self.told[self.told.index(found)]

    async def prefixes(self, forget=None) -> Prefixes:
        if isinstance(self.kept, Exception):
            raise self.kept
        self.forgotten += [] if forget is None else [forget]
        return self.kept

    def storage(self) -> StorageReport:
        return StorageReport(list(self.files), {self.files[-1]: "full"}, [], 4096)

    def repeated(self, repeat: Repeat) -> None:
        self.repeats.append(repeat)

    async def embed(self, call: EmbedCall) -> tuple[Embedded, Cost]:
        """The vector of an input is its length, and a half."""
        self.embeds.append(call)
        await self._perform()
        lengths = [len(one) for one in call.inputs]
        data = b"".join(struct.pack("<2f", length, 0.5) for length in lengths)
        timings = Timings(0.25, 0.5, 0.0, sum(lengths), 0, 0)
        return Embedded(1, 2, data, lengths, timings), cost()

    async def _perform(self) -> None:
        try:
            await (self.hold.wait() if self.hold else asyncio.sleep(0))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fault is not None:
            raise self.fault

    async def render(self, model: str, prompt: ChatPrompt, client: str | None = None) -> str:
        if self.render_error is not None:
            raise self.render_error
        several = prompt.several and self.format.calls.separator is not None
        messages = with_note(prompt.messages, SEVERAL) if several else prompt.messages
        self.rendered.append(
            {
                "model": model,
                "messages": messages,
                "tools": prompt.tools,
                "variables": variables_of(prompt, self.format.thinking),
                "end": prompt.end,
            }
        )
        return with_thoughts(prompt, self.format.thinking, self.prompt)

    async def tokenize(self, model, text, *, special=True, begins=False, pieces=False) -> Tokenized:
        """One token for each byte, behind token 1 where the text begins."""
        self.cut.append((model, text, special, begins))
        tokens = [1] * begins + [*(text.encode() if isinstance(text, str) else text)]
        return Tokenized(1, tokens, [bytes([token]) for token in tokens] if pieces else [])

    def window(self, model: str) -> tuple[str, int]:
        return self.card(model).id, 4096

    async def chat_format(self, model: str) -> ChatFormat:
        return self.format

    async def generate(self, call: Call) -> AsyncGenerator[Event, None]:
        self.calls.append(call)
        async with aclosing(self._play(self.script(call))) as events:
            async for event in events:
                yield event

    async def _play(self, steps: list) -> AsyncGenerator[Any, None]:
        self.opened += 1
        self.most_open = max(self.most_open, self.opened - self.closed)
        try:
            for step in steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    await asyncio.sleep(0)
                    yield step
        finally:
            self.closed += 1

    async def health(self) -> dict:
        if isinstance(self.proof, Exception):
            raise self.proof
        return self.proof

    async def status(self) -> dict:
        return {"version": "1.2.3", "queue": 0}

    def load(self) -> LoadReport:
        models = [ModelLoad("smol", resident=True, token_s=0.1, token_j=None)]
        return LoadReport(4.5, 3.0, None, None, "open", None, 1, 0, 8, models, self.twin)

    def simulated(self) -> str | None:
        return self.twin

    def board(self) -> BoardReport:
        if isinstance(self.snapshot, Exception):
            raise self.snapshot
        return self.snapshot

    async def ledger(self, days: int, last: int) -> LedgerReport:
        self.asked.append((days, last))
        return self.booked

    def budget(self) -> GovernorState:
        if isinstance(self.governor, Exception):
            raise self.governor
        return self.governor

    def warnings(self) -> list[str]:
        return self.budget().warnings

    def change(self, change: BudgetChange) -> None:
        self.changes.append(change)
        state = self.budget()
        said = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not UNSET}
        budget = msgspec.structs.replace(state.budget, **said)
        self.governor = msgspec.structs.replace(state, budget=budget)

    def history(self, since_s: float) -> Past:
        self.since.append(since_s)
        return self.was

    async def plan(self, ask: PlanAsk) -> Any:
        self.asks.append(ask)
        await asyncio.sleep(0)
        if isinstance(self.plans[0], Exception):
            raise self.plans[0]
        return self.plans[0]

    def tries(self, ask: PlanAsk) -> AsyncGenerator[Any, None]:
        self.asks.append(ask)
        return self._play(self.plans)

    def calibrate(self, ask: CalibrateRequest) -> AsyncGenerator[Any, None]:
        self.asks.append(ask)
        return self._play(self.calibrations)

    def calibration(self) -> Any:
        return self.calibrations[-1]


@dataclass
class Response:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    messages: list[dict] = field(default_factory=list)

    def json(self):
        return json.loads(self.body)

    def events(self) -> list:
        """The payloads of a stream of server-sent events, [DONE] as it is."""
        blocks = self.body.decode().split("\n\n")
        assert blocks.pop() == "", "every event ends with an empty line"
        assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
        payloads = [block[len("data: ") :] for block in blocks]
        return [p if p == "[DONE]" else json.loads(p) for p in payloads]


class Connection:
    """One request over ASGI, with a client that can leave."""

    def __init__(self, app, scope: dict, chunks: list[bytes]) -> None:
        self.response = Response()
        self.got_message = asyncio.Event()
        self.received = 0  # messages that the app has asked for
        self._left = asyncio.Event()
        self._chunks = chunks
        self._task = asyncio.ensure_future(app(scope, self._receive, self._send))

    def leave(self) -> None:
        self._left.set()

    async def message(self) -> dict:
        """The newest message, once there is one since the last call."""
        await self.got_message.wait()
        self.got_message.clear()
        return self.response.messages[-1]

    async def end(self) -> Response:
        await asyncio.wait_for(self._task, 10)
        return self.response

    async def _receive(self) -> dict:
        if self.received < len(self._chunks):
            chunk = self._chunks[self.received]
            self.received += 1
            more = self.received < len(self._chunks)
            return {"type": "http.request", "body": chunk, "more_body": more}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict) -> None:
        self.response.messages.append(message)
        if message["type"] == "http.response.start":
            assert self.response.status == 0, "a response begins once"
            self.response.status = message["status"]
            self.response.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            assert self.response.status, "a body has a start before it"
            self.response.body += message["body"]
            if not message.get("more_body"):
                self._left.set()  # as servers do once a response is complete
        self.got_message.set()
        await asyncio.sleep(0)


class Client:
    """Makes requests of an app; `open` inside a running loop, the others outside of one."""

    def __init__(self, app) -> None:
        self.app = app

    def open(
        self,
        method: str,
        path: str,
        body=b"",
        *,
        headers: dict | None = None,
        server=UNIX,
        state: dict | None = None,
        http_version: str = "1.1",
    ) -> Connection:
        if not isinstance(body, bytes | tuple):
            body = json.dumps(body).encode()
        chunks = list(body) if isinstance(body, tuple) else [body]  # a tuple: as it is cut
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": http_version,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
            "server": server,
            "state": state or {},
        }
        return Connection(self.app, scope, chunks)

    def request(self, method: str, path: str, body=b"", **options) -> Response:
        async def run() -> Response:
            return await self.open(method, path, body, **options).end()

        return asyncio.run(run())

    def get(self, path: str, **options) -> Response:
        return self.request("GET", path, **options)

    def post(self, path: str, body, **options) -> Response:
        return self.request("POST", path, body, **options)

    def put(self, path: str, body, **options) -> Response:
        return self.request("PUT", path, body, **options)

    def chat(self, **fields) -> Response:
        messages = [{"role": "user", "content": "Hi"}]
        return self.post("/v1/chat/completions", {"messages": messages, **fields})

    def complete(self, **fields) -> Response:
        return self.post("/v1/completions", {"prompt": "Once", **fields})


class Script:
    """The parts that scripts are made of, for tests to reach."""

    started = staticmethod(started)
    delta = staticmethod(delta)
    finished = staticmethod(finished)
    hello = staticmethod(hello)
    cost = staticmethod(cost)
    channel = staticmethod(channel)
    report = staticmethod(board_report)
    card = staticmethod(model_card)
    governor = staticmethod(governor_state)


@pytest.fixture
def script() -> type[Script]:
    return Script


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def make_client(service: FakeService) -> Callable[..., Client]:
    def make(
        requests: Requests | None = None,
        *,
        origins: Sequence[str] = (),
        per_client: bool = False,
        applications: Sequence[str] = (),
        checkers: Mapping[str, CheckerSpec] | None = None,
        judges: Mapping[str, AnswerChecker] | None = None,
        embedding: str | None = None,
        **options: Any,
    ) -> Client:
        config = Config(
            requests=requests or Requests(),
            tcp=Tcp(origins=[*origins]),
            cache=Cache(per_client=per_client, semantic=Semantic(model=embedding)),
            applications={name: AppBudget() for name in applications},
            checks={
                name: CheckerConfig(list(one.command), one.timeout_s, one.memory_bytes)
                for name, one in (checkers or {}).items()
            },
            checkers=dict(judges or {}),
        )
        options = {"clock": lambda: 1_800_000_000.5, "new_id": lambda: "42", **options}
        return Client(create_app(service, config, version="1", **options))

    return make


@pytest.fixture
def make_cache(tmp_path: Path) -> Generator[Callable[..., ExactCache]]:
    """Makes caches over one file; `clock` is of the wall."""
    made: list[ExactCache] = []

    def make(**options: Any) -> ExactCache:
        usual = {"ttl_s": 1000.0, "max_bytes": 1 << 20, "memory_bytes": 1 << 20}
        clock = lambda: 1_800_000_000.5  # noqa: E731
        made.append(ExactCache(tmp_path / "cache.db", **{**usual, "clock": clock, **options}))
        return made[-1]

    yield make
    for cache in made:
        asyncio.run(cache.close())


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()
