"""Twelve boards of the second plant behind a proxy, and who sends a request where."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import os
import random
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any
from unittest.mock import patch

from bootstrap.paths import CHECKOUT

from benchlib.plant_board import PlantBoard
from benchlib.plant_cases import BOARDS as KIND_OF
from benchlib.plant_engine import PlantEngine, _Stream
from benchlib.plant_figures import draw
from benchlib.plant_kinds import KINDS
from benchlib.plant_load import FINE, NOBODY, Work

STEP_S = 0.2
WINDOW_S = 1.0
SEQUENCES = 4
BOARDS = ("pi4", "pi4", "pi5", "pi5", "pi5", "pi5", "nano", "nano", "nano", "agx", "pc", "pc")
ANSWER = (64, 192)  # tokens of answers, of which the prompt has twice as many
_ALONE = (256, 128)  # tokens of the answer that a board's predictions are of
_MISTAKEN = 0.15  # such predictions are off by up to this share
_LATEST = 10  # answers of a board by which latency routing goes
_ROOM_C = 22.0
_MODEL_GB = 0.9  # of the model, which all boards have

Send = Callable[["Fleet", float], "Node | None"]
"""Chooses a board for a request at a time; None: it waits."""


@dataclass
class Request:
    """Tokens of prompt and answer, and when it came to the proxy."""

    prompt: int
    answer: int
    came_s: float


class Queue(PlantEngine):
    """The plant's engine with requests that come from outside; those beyond SEQUENCES wait."""

    def __init__(self, figures: Any, seed: int) -> None:
        self.waits: deque[Request] = deque()
        self.done: list[tuple[Request, float]] = []
        self._at_work: dict[int, Request] = {}
        super().__init__(figures, Work(streams=SEQUENCES), seed, 0.0, figures.gpu is not None)

    @property
    def requests(self) -> int:
        """All that it has."""
        return len(self.waits) + len(self._at_work)

    def give(self, request: Request, now_s: float) -> None:
        """Take a request."""
        self.waits.append(request)
        for stream in self._streams:
            if stream.ready_s == math.inf:
                self._ask(stream, now_s)
                break

    def _ask(self, stream: _Stream, now_s: float) -> None:
        ended = self._at_work.pop(id(stream), None)
        if ended is not None:
            self.done.append((ended, now_s))
        stream.started, stream.ready_s = False, math.inf
        if self.waits:
            request = self._at_work[id(stream)] = self.waits.popleft()
            stream.ready_s, stream.prompt, stream.answer = now_s, request.prompt, request.answer


@dataclass
class Node:
    """One board; `report` is what its daemon would tell."""

    name: str
    board: PlantBoard
    engine: Queue
    token_s: float = 0.0
    token_j: float = 0.0
    idle_w: float = 0.0
    working_w: float = 0.0
    latencies: deque[float] = field(default_factory=lambda: deque[float](maxlen=_LATEST))

    def step(self, end_s: float) -> float:
        """Let a step pass that ends then; returns the joules."""
        self.engine.run(end_s)
        parts = list(self.engine.parts(end_s - STEP_S, end_s))
        self.engine.take(end_s)
        self.board.step(STEP_S, parts, NOBODY, FINE)
        self.engine.clock = self.board.clock
        if parts and sum(share for share, _ in parts) > 0.9:  # a governor learns what it draws
            self.working_w += 0.05 * (self.board.power_w - self.working_w)
        return STEP_S * self.board.power_w

    def report(self) -> dict[str, Any]:
        model = {"id": "m", "resident": True, "token_s": self.token_s, "token_j": self.token_j}
        watts = {"power_w": self.board.power_w, "idle_w": self.idle_w, "working_w": self.working_w}
        count = {"requests": self.engine.requests, "sequences": SEQUENCES}
        return watts | count | {"retry_after_s": None, "models": [model]}


def node(number: int, kind: str, seed: int) -> Node:
    """Return a board at rest that has been calibrated, with some error, by a board of its kind."""
    known = KINDS[KIND_OF[kind]]
    figures = replace(draw(known, 1000 * seed + number, known.gpu is not None), model_gb=_MODEL_GB)

    def fresh() -> Node:
        made = Node(f"{kind}-{number}", PlantBoard(figures, _ROOM_C), Queue(figures, number))
        for step in range(1, 51):  # warm
            made.step(step * STEP_S)
        return made

    tried, dice = fresh(), random.Random(f"fleet {seed} {number}")
    tried.idle_w, step, joules = tried.board.power_w, 50, 0.0
    tried.engine.give(Request(*_ALONE, step * STEP_S), step * STEP_S)
    while not tried.engine.done:
        step += 1
        joules += tried.step(step * STEP_S)
        tried.working_w = max(tried.working_w, tried.board.power_w)
    found, seconds = fresh(), tried.engine.done[0][1] - 50 * STEP_S
    found.idle_w, found.working_w = tried.idle_w, tried.working_w
    wrong = dice.uniform(1.0 - _MISTAKEN, 1.0 + _MISTAKEN)
    found.token_s = wrong * seconds / _ALONE[1]
    found.token_j = wrong * (joules - tried.idle_w * (step - 50) * STEP_S) / _ALONE[1]
    return found


@dataclass
class Outcome:
    """What came of a run."""

    joules: float = 0.0
    added_j: float = 0.0  # above what the boards draw idle
    tokens: int = 0
    seconds: list[float] = field(
        default_factory=list[float]
    )  # of answers, the proxy's wait included
    windows_w: list[float] = field(default_factory=list[float])

    def p95_s(self) -> float:
        return sorted(self.seconds)[int(0.95 * len(self.seconds))]


class Fleet:
    """The boards, and those requests that wait at the proxy."""

    def __init__(self, seed: int) -> None:
        self.nodes = [node(number, kind, seed) for number, kind in enumerate(BOARDS)]
        self.idle_w = sum(one.idle_w for one in self.nodes)
        self.full_w = sum(one.working_w for one in self.nodes)
        self.waits: deque[Request] = deque()
        self._dice = random.Random(f"ties {seed}")

    @property
    def tokens_per_s(self) -> float:
        """What all boards make with one answer each at a time."""
        return sum(1.0 / one.token_s for one in self.nodes)

    def least(self, of: Callable[[Node], float]) -> Node:
        """Return one of the boards with the least of something."""
        figures = [of(one) for one in self.nodes]
        return self._dice.choice(
            [one for one, figure in zip(self.nodes, figures, strict=True) if figure == min(figures)]
        )

    def run(self, send: Send, requests: Sequence[Request], seconds: float) -> Outcome:
        """Send requests for so long; answers that are not done by then do not count."""
        found, left, window = Outcome(), deque(requests), list[float]()
        start_s = 50 * STEP_S  # of each board's time
        for step in range(51, 51 + round(seconds / STEP_S)):
            now_s = step * STEP_S
            while left and left[0].came_s + start_s <= now_s:
                self.waits.append(left.popleft())
            while self.waits and (chosen := send(self, now_s)) is not None:
                chosen.engine.give(self.waits.popleft(), now_s)
            joules = sum(one.step(now_s) for one in self.nodes)
            found.joules += joules
            window.append(joules / STEP_S)
            if len(window) * STEP_S >= WINDOW_S - 1e-9:
                found.windows_w.append(sum(window) / len(window))
                window.clear()
            for one in self.nodes:
                _collect(one, found, start_s)
        found.added_j = found.joules - self.idle_w * seconds
        return found


def _collect(one: Node, found: Outcome, start_s: float) -> None:
    for request, end_s in one.engine.done:
        took_s = end_s - start_s - request.came_s
        found.seconds.append(took_s)
        found.tokens += request.answer
        one.latencies.append(took_s / request.answer)
    one.engine.done.clear()


def arrivals(seed: int, seconds: float, tokens_per_s: Callable[[float], float]) -> list[Request]:
    """Return requests at a rate that changes with the time."""
    dice, now_s, found = random.Random(f"arrivals {seed}"), 0.0, list[Request]()
    while True:
        now_s += dice.expovariate(max(1e-6, tokens_per_s(now_s)) / (sum(ANSWER) / 2.0))
        if now_s >= seconds:
            return found
        answer = dice.randint(*ANSWER)
        found.append(Request(2 * answer, answer, now_s))


def least_busy(fleet: Fleet, now_s: float) -> Node:
    """LiteLLM's: the board with the fewest requests under way."""
    return fleet.least(lambda one: one.engine.requests)


def by_latency(fleet: Fleet, now_s: float) -> Node:
    """LiteLLM's: the board whose latest answers took the least time a token; untried ones first."""
    return fleet.least(lambda one: sum(one.latencies) / max(1, len(one.latencies)))


def within(names: set[str]) -> Send:
    """Least-busy among some boards, of which each has SEQUENCES requests at most."""

    def send(fleet: Fleet, now_s: float) -> Node | None:
        some = [one for one in fleet.nodes if one.name in names]
        best = min(some, key=lambda one: one.engine.requests * one.token_s)
        return best if best.engine.requests < 2 * SEQUENCES else None

    return send


@contextmanager
def balanced(fleet: Fleet, budget_w: float | None = None) -> Iterator[Send]:
    """Yield the routing of fleet/edge_rt_fleet.py, as LiteLLM asks it."""
    module = load_balancer()
    now = [0.0]
    nodes = {f"http://{one.name}": one for one in fleet.nodes}

    async def ask(url: str, key: str | None) -> Mapping[str, Any]:
        return nodes[url].report()

    balancer = module.Balancer(ask, lambda: now[0])
    deployments = [
        {"litellm_params": {"model": "openai/m", "api_base": url}, "model_info": {"id": url}}
        for url in nodes
    ]
    with closing(asyncio.new_event_loop()) as loop:

        def send(fleet: Fleet, now_s: float) -> Node | None:
            now[0] = now_s
            with suppress(module.litellm.ServiceUnavailableError):
                pick = balancer.async_filter_deployments("m", deployments)
                [chosen] = loop.run_until_complete(pick)
                return nodes[chosen["litellm_params"]["api_base"]]
            return None

        budget = {} if budget_w is None else {module.WATTS: str(budget_w)}
        with patch.dict(os.environ, budget | {module.WAIT: "0"}):
            yield send


class _Refused(Exception):
    def __init__(self, message: str, **_: object) -> None:
        super().__init__(message)


def load_balancer() -> Any:
    """Return the module; of LiteLLM it gets the base class and one error."""
    names = ("litellm", "litellm.integrations", "litellm.integrations.custom_logger")
    made: defaultdict[str, Any] = defaultdict(lambda: ModuleType("litellm"))
    fakes = {name: made[name] for name in (*names, "litellm.proxy", "litellm.proxy.proxy_server")}
    fakes["litellm"].ServiceUnavailableError = _Refused
    fakes["litellm.integrations.custom_logger"].CustomLogger = object
    fakes["litellm.proxy"].proxy_server = fakes["litellm.proxy.proxy_server"]
    sys.modules.update(fakes)
    file = CHECKOUT / "fleet" / "edge_rt_fleet.py"
    spec = importlib.util.spec_from_file_location("edge_rt_fleet", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
