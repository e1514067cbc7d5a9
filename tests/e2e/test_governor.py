"""A budget is kept by the real engine on a simulated board, and everybody is told why."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store
from edge_rt.testing.board import FakeBoard

pytestmark = pytest.mark.alone

STORY = {"prompt": "Once upon a time there was a fox who", "max_tokens": 64, "ignore_eos": True}
SETTLE_S, WATCH_S = 6.0, 6.0  # real time: the simulated board has no other


@pytest.fixture(scope="module")
def board(make_board):
    with make_board("raspberry-pi-5") as root:
        yield root


@pytest.fixture(scope="module")
def daemon(make_daemon, board, tools):
    daemon = make_daemon(sensors={"root": str(board)})
    tools.steady(lambda: supply(daemon) and supply(daemon)["idle_w"], "the rest is seen")
    yield daemon
    daemon.close()


@pytest.fixture
def free(daemon, tools):
    """The daemon without a budget, and idle, before and after the test."""

    def settled():
        state = daemon.status()
        return state["governor"]["limits"]["admission"] == "open" and not state["requests"]

    yield daemon
    assert daemon.http.put("/edge/v1/budget", json={"power_w": None}).status_code == 200
    tools.eventually(settled, "requests are welcome again")


def supply(daemon):
    """The supply as /edge/v1/board has it."""
    return daemon.http.get("/edge/v1/board").json()["supply"]


def budget(daemon, **change):
    """Return what PUT /edge/v1/budget answers."""
    answer = daemon.http.put("/edge/v1/budget", json=change)
    assert answer.status_code == 200, answer.text
    return answer.json()


@contextmanager
def work(daemon):
    """Two clients that ask for one story after the other; their answers, as they come."""
    answers, over = [], threading.Event()

    def ask(http):
        while not over.is_set():
            answers.append(http.post("/v1/completions", json={"model": daemon.model, **STORY}))
            if answers[-1].status_code != 200:
                over.wait(1.0)  # else the clients themselves would heat the board

    clients = [threading.Thread(target=ask, args=(daemon.client(),)) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        yield answers
    finally:
        over.set()
        for client in clients:
            client.join()


def in_passes(daemon, tools):
    """Now, and the seconds that the engine has spent inside passes until now."""
    return tools.eventually(
        lambda: (
            (spent_s := daemon.status()["engine"].get("native_s")) is not None
            and (time.monotonic(), spent_s)
        ),
        "the engine tells its figures",
    )


def watch(daemon, tools):
    """Mean watts over some seconds, after some in which all may settle, and the share of the time
    that the engine computed: a machine that others use makes passes long, not rare.
    """
    time.sleep(SETTLE_S)
    before, (begin, spent_s) = supply(daemon), in_passes(daemon, tools)

    def seen():
        now = supply(daemon)
        return now if now["covered_s"] - before["covered_s"] >= WATCH_S else None

    after, (end, now_s) = tools.eventually(seen, "power is read"), in_passes(daemon, tools)
    energy_j, covered_s = (after[name] - before[name] for name in ("energy_j", "covered_s"))
    return energy_j / covered_s, (now_s - spent_s) / (end - begin)


@dataclass(frozen=True)
class CappedRun:
    """What was seen without a cap, under one, and after it was lifted."""

    cap_w: float
    capped_w: float
    full_share: float
    capped_share: float
    lifted_share: float
    told: dict[str, Any]  # what the budget said as the cap was set,
    lifted: dict[str, Any]  # and as it was lifted
    state: dict[str, Any]
    metrics: str

    @property
    def kept(self) -> bool:
        """Whether the cap, half of what the work draws, is kept by working less."""
        slower = 0 < self.capped_share < 0.9 * self.full_share
        faster = self.lifted_share > 1.1 * self.capped_share
        return self.capped_w <= 1.01 * self.cap_w and slower and faster


def capped_run(free, tools):
    with work(free):
        full_w, full_share = watch(free, tools)
        idle_w = free.status()["governor"]["idle_w"]
        assert full_w > idle_w
        cap_w = idle_w + 0.5 * (full_w - idle_w)
        told = budget(free, power_w=cap_w)
        capped_w, capped_share = watch(free, tools)
        state, metrics = free.status()["governor"], free.metrics()
        lifted = budget(free, power_w=None)
        _, lifted_share = watch(free, tools)
    shares = full_share, capped_share, lifted_share
    return CappedRun(cap_w, capped_w, *shares, told, lifted, state, metrics)


@pytest.mark.slow
def test_a_cap_is_kept_and_full_speed_is_back_when_it_is_lifted(free, tools):
    # Where other programs take the cores for a while, the work draws little, and half of that may
    # be less than the margin.
    for _ in range(4):
        run = capped_run(free, tools)
        if run.kept:
            break
    assert run.kept, run
    assert run.told["budget"]["power_w"] == run.cap_w
    assert run.told["bound_by"] == "power_w"
    assert "power cap" in run.told["why"]
    assert run.state["limits"]["duty"] < 1
    assert run.lifted["limits"]["duty"] == 1
    assert run.state["held_back_s"]["power_w"] > 1
    assert f"edge_rt_budget_power_watts {run.cap_w}" in run.metrics
    assert 'edge_rt_held_back_seconds_total{by="power_w"}' in run.metrics

    past = free.http.get("/edge/v1/history?since=60").json()
    rows = list(zip(past["cap_w"], past["power_w"], past["duty"], strict=True))
    assert {None, run.cap_w} <= {cap for cap, _, _ in rows}
    # A busy machine may be late to read its board.
    assert sum(watts is not None for _, watts, _ in rows) >= 0.8 * len(rows)
    assert any(duty < 1 for _, _, duty in rows)


def test_what_the_board_cannot_do_idle_is_refused_with_reason_and_time(free, tools):
    impossible_w = 0.5 * supply(free)["idle_w"]
    budget(free, power_w=impossible_w)
    tools.eventually(
        lambda: free.status()["governor"]["limits"]["admission"] == "refuse", "requests are refused"
    )
    answer = free.post(STORY)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "budget")
    assert int(answer.headers["retry-after"]) >= 1
    assert f"power cap of {impossible_w:.3g} W" in error["message"]
    assert 'edge_rt_admission_state{state="refuse"} 1.0' in free.metrics()
    assert 'edge_rt_refused_requests_total{reason="budget"}' in free.metrics()
    assert free.http.get("/health").status_code == 200, "it is well, and could answer"
    assert "refused" in free.run("budget").stdout


def rows(text: str) -> dict[str, str]:
    """The fields that a command prints, by their names."""
    pairs = (line.split("  ", 1) for line in text.splitlines() if "  " in line)
    return {name: told.strip() for name, told in pairs}


def test_the_command_line_changes_and_draws_it(free, tmp_path):
    set_ = rows(free.run("budget", "--power", "7.5", "--temp", "70").stdout)
    assert (set_["budget power"], set_["budget temp"]) == ("7.50 W", "70.0 °C")
    lifted = free.run("budget", "--power", "none", "--temp", "none")
    assert lifted.stdout.startswith("Simulated board raspberry-pi-5")
    told = rows(lifted.stdout)
    assert (told["budget power"], told["budget temp"]) == ("-", "-")
    page = tmp_path / "report.html"
    drawn = free.run("report", "--since", "5m", "--out", str(page))
    assert drawn.returncode == 0, drawn.stderr
    assert '"power_w": [' in page.read_text()


@pytest.mark.parametrize(
    ("change", "param"),
    [({"power_w": -1}, "power_w"), ({"watts": 5}, "watts"), ({"energy_period": "week"}, None)],
)
def test_what_cannot_be_a_budget_changes_nothing(free, change, param):
    before = free.http.get("/edge/v1/budget").json()["budget"]
    answer = free.http.put("/edge/v1/budget", json=change)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == (param or "energy_period")
    assert free.http.get("/edge/v1/budget").json()["budget"] == before


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_ends_when_its_time_or_its_joules_are_over(free, stream, tools):
    def ask(limit):
        body = STORY | {"max_tokens": 900, "edge": limit}
        if stream:
            body["stream_options"] = {"include_usage": True}
            with free.stream(**body) as events:
                *_, ended, summary = events
                return summary | {"choices": ended["choices"]}
        return free.post(body).json()

    def metered(limit):  # a machine that is too busy to read its board cannot tell joules
        answer = ask(limit)
        return answer if answer["edge"]["energy_j"] is not None else None

    for limit, field in (({"latency_s": 1.5}, "latency_s"), ({"energy_j": 1.0}, "energy_j")):
        last = tools.eventually(lambda limit=limit: metered(limit), "joules are known", tries=20)
        assert last["choices"][0]["finish_reason"] == "length"
        assert f"edge.{field}" in last["edge"]["why"]
        assert 0 < last["usage"]["completion_tokens"] < 900
        assert last["edge"]["energy_j"] < 3.0 or field == "latency_s"
    assert free.post(STORY).json()["edge"]["why"] is None
    assert free.quiet()["running"] == 0, "the engine was told to leave it"


def test_clients_of_the_sdk_send_it_beside_the_rest(free):
    answer = free.sdk().completions.create(
        model=free.model, prompt="Rain", max_tokens=900, extra_body={"edge": {"latency_s": 0.5}}
    )
    assert answer.choices[0].finish_reason in ("length", "stop")
    wrong = free.post(STORY | {"edge": {"joules": 5}})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "edge.joules")


@pytest.mark.slow
def test_a_smaller_model_stands_in_under_a_cap(own_daemon, board, smollm2, tmp_path, tools):
    large, small = tmp_path / "large.gguf", tmp_path / "small.gguf"
    store = Store(tmp_path / "models", load_catalogue())
    for file in (large, small):
        shutil.copyfile(smollm2, file)
        store.add(file, file.stem, move=True)
    daemon = own_daemon(
        tmp_path / "models",
        sensors={"root": str(board)},
        models={"smaller": {"large": "small"}},
        governor={"sacrifice": ["model", "pace"]},
    )
    daemon.model = "large"
    assert daemon.post(STORY).json()["model"] == "large"
    rest = tools.steady(lambda: supply(daemon)["idle_w"], "the rest is seen")
    budget(daemon, power_w=1.05 * rest)

    def limits():
        return daemon.status()["governor"]["limits"]

    tools.eventually(lambda: limits()["smaller"], "smaller models are to answer")
    answer = daemon.post(STORY | {"max_tokens": 4}).json()
    assert answer["model"] == answer["edge"]["model"] == "small"
    assert answer["edge"]["asked"] == "large"
    assert "stands in for large" in answer["edge"]["why"]
    budget(daemon, power_w=None)
    tools.eventually(lambda: not limits()["smaller"], "the large one answers again")
    assert daemon.post(STORY).json()["model"] == "large"


@pytest.fixture
def zone(tmp_path):
    """The temperature of a board, which throttles at 80 °C, in a file that the test writes."""
    tree = FakeBoard(tmp_path / "board")
    return tree.zone("cpu-thermal", 40_000, trips={"passive": 80_000}) / "temp"


@pytest.mark.slow
def test_a_hot_board_stops_and_goes_on_where_it_was_when_it_is_cooler(own_daemon, zone, tools):
    daemon = own_daemon(sensors={"root": str(zone.parents[4])})

    def guard(wanted):
        def seen():
            state = daemon.status()["governor"]
            return state if state["guard"] == wanted else None

        return tools.eventually(seen, f"the guard is at {wanted}")

    whole = daemon.complete(STORY["prompt"], max_tokens=600, ignore_eos=True)
    guard("ok")
    with daemon.stream(**STORY | {"max_tokens": 600, "temperature": 0}) as events:
        text = [next(tools.texts(iter([next(events)]))) for _ in range(5)]
        zone.write_text("78500")
        state = guard("evacuate")
        assert (state["limits"]["duty"], state["limits"]["admission"]) == (0.0, "refuse")
        assert "78 °C" in state["why"] or "79 °C" in state["why"]
        steps = daemon.engine()["steps"]
        refused = daemon.post(STORY)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_hot")
        assert int(refused.headers["retry-after"]) >= 1
        assert daemon.http.get("/health").status_code == 200
        assert 'edge_rt_guard_state{state="evacuate"} 1.0' in daemon.metrics()
        assert daemon.engine()["steps"] <= steps + 1, "nothing is computed"
        zone.write_text("45000")
        guard("ok")
        text += tools.texts(events)
    assert "".join(text) == whole


def test_without_any_sensor_it_serves_and_says_what_is_missing(own_daemon, tmp_path):
    root = tmp_path / "nothing"
    root.mkdir()
    daemon = own_daemon(sensors={"root": str(root)}, budget={"power_w": 5.0, "energy_j": 1000.0})
    assert daemon.post(STORY).status_code == 200
    state = daemon.http.get("/edge/v1/budget").json()
    told = " ".join(state["missing"])
    for word in ("No power", "No temperature", "energy_j"):
        assert word in told
    assert (state["forecast_c"], state["spent_j"]) == (None, None)
    assert state["limits"]["admission"] == "open"
    refused = daemon.post(STORY | {"edge": {"energy_j": 5}})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "edge.energy_j")


def test_every_knob_is_back_after_a_kill(own_daemon, board, tools):
    knob = board / "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"
    before = knob.read_text()
    slow = int(before) // 2 * 1000
    daemon = own_daemon(sensors={"root": str(board)}, knobs={"cpufreq_max_hz": slow})

    def turned():
        return knob.read_text() != before

    tools.eventually(turned, "the knob is turned")
    [told] = tools.eventually(lambda: daemon.status()["governor"]["knobs"], "the knob is told of")
    assert (told["error"], told["before"]) == (None, before.strip())
    daemon.kill()
    assert turned(), "nobody was there to put it back"
    daemon.configure(sensors={"root": str(board)})
    daemon.start()
    tools.eventually(lambda: not turned(), "the knob is back")
    [told] = daemon.status()["governor"]["knobs"]
    assert (told["error"], told["value"]) == (None, before.strip())


def test_a_knob_is_back_after_a_stop(own_daemon, board, tools):
    knob = board / "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"
    before = knob.read_text()
    slow = int(before) // 2 * 1000
    daemon = own_daemon(sensors={"root": str(board)}, knobs={"cpufreq_max_hz": slow})
    tools.eventually(lambda: knob.read_text() != before, "the knob is turned")
    assert daemon.terminate() == 0
    assert knob.read_text() == before
