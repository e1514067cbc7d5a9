"""Engines are ended while models of every kind are at work at once: nobody is wronged by it.

Here is a short form; `pytest -m whole tests/e2e/test_chaos.py` ends them forty times.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import threading
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import httpx
import pytest
from embedding_texts import texts
from strikes import Asking, beset, fields, plain, streamed

from edge_rt.api import run, service, task
from edge_rt.energy import account
from edge_rt.energy.prediction.online_updates import OnlineUpdate
from edge_rt.energy.usage import RequestUsage
from edge_rt.engine import client, protocol
from edge_rt.engine.channel import Doing
from edge_rt.engine.model_pool import LoadRequest, Resident
from edge_rt.generation.recovery import AnswerProgress
from edge_rt.generation.request_budget import RequestBudget

STORY = "Once upon a time there was a fox who"
EMBEDDING = "all-minilm-l6-v2"
EMOJI = "🦊🐻🐼🦁🐯🐨🦊🐻🐼🦁🐯🐨🦊🐻🐼🦁"  # of several tokens each, so that text waits for bytes
CHAT = {"messages": [{"role": "user", "content": "Why is the sky blue?"}]}
MANY = {"max_tokens": 64, "ignore_eos": True, "edge": {"cache": "refresh"}}
GREEDY = MANY | {"prompt": STORY, "temperature": 0}
STREAMS = [
    GREEDY,
    MANY | {"prompt": EMOJI, "temperature": 0.8, "seed": 9, "n": 2, "logprobs": 2},
    GREEDY | {"prompt": STORY * 3, "edge": {"mode": "lookup", "cache": "refresh"}},
]
CHATS = [
    MANY | CHAT | {"temperature": 1.0, "seed": 3, "logprobs": True, "stop": ["zq", "o the"]},
]
PLAIN = [
    MANY | {"prompt": "The rivers of Europe are", "temperature": 1.0, "seed": 5, "stop": "\n\n\n"},
    GREEDY | {"prompt": [13 + i % 400 for i in range(200)], "max_tokens": 8},
]
# Modules and classes of which the daemon keeps nothing beyond a request or an engine.
PASSING = (
    *(f"{module.__name__}." for module in (run, service, task, account, client, protocol)),
    *(
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in (
            *(Doing, LoadRequest, OnlineUpdate),
            *(AnswerProgress, RequestBudget, RequestUsage, Resident),
        )
    ),
)
RESTING = ("sleep", "Event.wait")  # tasks of a governor that has nothing to do


class Leaving:
    """A client that never waits for the end of what it asked for."""

    def __init__(self, daemon, tools, whole: str, seed: int) -> None:
        self._client, self._tools = daemon.client(), tools
        self._body = {"model": daemon.model} | GREEDY | {"max_tokens": 900}
        self._whole, self._dice = whole, random.Random(seed)
        self.left = 0

    def run(self, over: threading.Event) -> None:
        for leave in cycle([self._in_the_middle, self._soon]):
            if over.is_set():
                return
            leave()
            self.left += 1

    def _in_the_middle(self) -> None:
        said, most = "", self._dice.randint(1, 20)
        body = self._body | {"stream": True}
        with self._client.stream("POST", "/v1/completions", json=body) as response:
            for document in islice(self._tools.events(response), most):
                assert "error" not in document, document
                said += document["choices"][0]["text"]
        assert self._whole.startswith(said[: len(self._whole)])

    def _soon(self) -> None:
        """Whatever state the request is in then."""
        patience_s = self._dice.uniform(0.05, 1.5)
        with pytest.raises(httpx.TimeoutException):
            self._client.post("/v1/completions", json=self._body, timeout=patience_s)


class Caring:
    """A client that asks again and again whether all is well, and of what state all is."""

    def __init__(self, daemon) -> None:
        self._client = daemon.client()

    def run(self, over: threading.Event) -> None:
        while not over.wait(0.2):
            for path in ("/health", "/edge/v1/status", "/metrics"):
                answer = self._client.get(path)
                assert answer.status_code == 200, answer.text


class Held:
    """What the daemon holds of requests and engines, as it tells itself; see census."""

    def __init__(self, daemon, tools, file: Path) -> None:
        self._daemon, self._tools, self._file = daemon, tools, file

    def now(self) -> Counter[str]:
        self._file.unlink(missing_ok=True)
        self._daemon.process.send_signal(signal.SIGUSR1)
        self._tools.eventually(self._file.is_file, "the daemon tells what it holds")
        held = json.loads(self._file.read_text())
        passing = {name: n for name, n in held["objects"].items() if name.startswith(PASSING)}
        tasks = {name: n for name, n in held["tasks"].items() if name not in RESTING}
        return Counter(passing | tasks)

    def as_before(self, before: Counter[str]) -> None:
        """See that it is no more than it was."""
        more = Counter()

        def none() -> bool:
            nonlocal more
            more = self.now() - before
            return not more

        try:
            self._tools.eventually(none, "nothing is left", tries=200)
        except AssertionError:
            raise AssertionError(f"more is held than before: {more}") from None


@pytest.fixture
def board(make_board):
    with make_board("jetson-orin-nano-8gb") as root:
        yield root


@pytest.fixture
def watched(own_daemon, tasks_store, board, tmp_path, tools):
    """A daemon on a board that tells power, with answers kept, and what it holds."""
    file = tmp_path / "held.json"
    daemon = own_daemon(
        tasks_store,
        sensors={"root": str(board)},
        cache={"enabled": True},
        through=[sys.executable, str(Path(__file__).with_name("census.py")), str(file)],
    )
    supply = lambda: daemon.http.get("/edge/v1/board").json()["supply"]  # noqa: E731
    tools.steady(lambda: supply() and supply()["idle_w"], "the board's rest is seen")
    return daemon, Held(daemon, tools, file)


def clients(daemon, tools) -> dict[str, list[Asking]]:
    """One of each kind, by model, with its answer while nothing else is going on."""
    model = {"model": daemon.model}
    embed = {"model": EMBEDDING, "encoding_format": "base64"}
    answers = {
        daemon.model: [
            *(streamed("/v1/completions", tools.events, model | body) for body in STREAMS),
            *(streamed("/v1/chat/completions", tools.events, model | body) for body in CHATS),
            *(plain("/v1/completions", model | body) for body in PLAIN),
        ],
        EMBEDDING: [
            fields("/v1/embeddings", embed | {"input": texts(60)}, "data", "usage"),
            fields("/v1/embeddings", embed | {"input": texts(3)}, "data", "usage"),
        ],
    }
    return {
        name: [Asking(daemon.client(), answer, rest_s=0.2) for answer in kinds]
        for name, kinds in answers.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "hangs", "most_s"),
    [
        pytest.param(5, 1, 4.0, id="short"),
        pytest.param(36, 4, 8.0, id="whole", marks=pytest.mark.whole),
    ],
)
def test_models_of_every_kind_outlive_their_engines(watched, tools, kills, hangs, most_s):
    daemon, held = watched
    clients_of = clients(daemon, tools)
    asking = [one for kinds in clients_of.values() for one in kinds]
    whole = asking[0].whole[0][0][0]
    leaving = [Leaving(daemon, tools, whole, seed) for seed in (1, 2)]
    daemon.kill_engine()  # so that what is known of the last one that was lost is there
    tools.eventually(lambda: daemon.engine()["restarts"] == 1, "there is another engine")
    models = {daemon.model, EMBEDDING}
    tools.eventually(lambda: daemon.loaded() == models, "all models are loaded again")
    before = held.now()
    dice = random.Random(1)
    signs = [signal.SIGKILL] * kills + [signal.SIGSTOP] * hangs
    dice.shuffle(signs)
    everybody = [*asking, *leaving, Caring(daemon)]
    beset(tools.together, daemon.process.pid, signs, dice, everybody, most_s)
    assert all(one.answers > 1 for one in asking)
    assert daemon.quiet()["restarts"] >= kills + hangs
    left = sum(one.left for one in leaving)
    all_is_booked_once(daemon, tools, clients_of, left)
    tools.eventually(lambda: daemon.loaded() == models, "all models are loaded again")
    held.as_before(before)
    health = daemon.http.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "ok"), health.text
    log = daemon.log.read_text()
    assert "Traceback" not in log, log


def ledger(daemon):
    return daemon.http.get("/edge/v1/ledger?days=3650&last=1000").json()


def all_is_booked_once(daemon, tools, clients_of, left) -> None:
    """Those who left are booked too, if anything was done for them."""
    answers = {name: sum(one.answers for one in kinds) for name, kinds in clients_of.items()}
    least, most = Counter(answers), Counter(answers)
    least[daemon.model] += 1
    most[daemon.model] += left

    def booked() -> bool:
        found: Counter[str] = Counter()
        for line in ledger(daemon)["models"]:
            found[line["model"]] += line["requests"]
        assert found <= most, (found, most)
        return found >= least

    tools.eventually(booked, f"{least} are booked")
    report = ledger(daemon)
    assert {line["status"] for line in report["last"]} == {"done", "cancelled"}
    total, shares, rest = (
        sum(day[name] for day in report["days"])
        for name in ("energy_j", "attributed_j", "unattributed_j")
    )
    assert shares + rest == pytest.approx(total, rel=1e-9)
    assert shares == pytest.approx(sum(m["energy_j"] for m in report["models"]), rel=1e-6)


@pytest.mark.slow
def test_an_answer_that_several_wait_for_outlives_its_engine_and_who_asked_first(watched, tools):
    """The engine is killed, and before there is another one the first client leaves."""
    daemon, _ = watched
    asked = GREEDY | {"max_tokens": 400, "edge": {}}
    whole = daemon.complete(**asked | {"edge": {"cache": "off"}})
    waiting = lambda: daemon.status()["requests"] == 1 and doing(daemon) == 3  # noqa: E731

    def first() -> None:
        with daemon.stream(**asked) as events:
            next(events)
            tools.eventually(waiting, "two wait for the answer")
            daemon.kill_engine()

    def other() -> str:
        tools.eventually(lambda: daemon.status()["requests"], "the first one asks")
        return daemon.complete(**asked)

    assert tools.together([first, other, other]) == [None, whole, whole]
    assert daemon.quiet()["restarts"] == 1
    assert doing(daemon) == 0


def doing(daemon) -> int:
    """Requests that clients wait for, but for this one."""
    lines = daemon.metrics().splitlines()
    [line] = [one for one in lines if one.startswith("edge_rt_requests_in_flight ")]
    return round(float(line.split()[-1])) - 1
