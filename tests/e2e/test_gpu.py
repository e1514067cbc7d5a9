"""A model on a simulated board's GPU: the CPU computes it, and the board feels a GPU's work."""

from __future__ import annotations

import json

import pytest

BOARD, GPU, RAIL = "jetson-orin-nano-8gb", "17000000.gpu", "VDD_CPU_GPU_CV"
STORY = "Once upon a time there was a fox who"
ENGINE = {"threads": 1, "context": 1024, "sequences": 8, "batch": 128, "gpu_layers": 999}


@pytest.fixture(scope="module")
def board(make_board):
    with make_board(BOARD) as root:
        yield root


@pytest.fixture(scope="module")
def daemon(make_daemon, board, tools):
    daemon = make_daemon(engine=ENGINE, sensors={"root": str(board)})
    tools.steady(lambda: daemon.status()["board"]["idle_w"], "the board's rest is seen")
    yield daemon
    daemon.close()


def figures(daemon):
    """Return what is read now of the GPU: its rail's watts, its load and its clock."""
    channels = daemon.http.get("/edge/v1/board").json()["channels"]
    found = {(c["name"], c["kind"]): c["value"] for c in channels}
    return [found[key] for key in ((RAIL, "power_w"), (GPU, "fraction"), (GPU, "clock_hz"))]


def most_while_streaming(daemon, tokens):
    """The highest of those figures while an answer is made."""
    seen = []
    with daemon.stream(prompt=STORY, max_tokens=tokens, ignore_eos=True) as events:
        for number, _ in enumerate(events):
            if number % 20 == 19:
                seen.append(figures(daemon))
    return [max(values) for values in zip(*seen, strict=True)]


@pytest.mark.slow
def test_rail_load_and_clock_of_the_gpu_rise_with_its_model_s_passes(daemon, tools):
    rest_w, rest, rest_hz = figures(daemon)
    assert rest == 0.0
    daemon.complete(STORY, max_tokens=2)  # the model is loaded
    before_s = daemon.quiet()["gpu_s"]
    watts, load, clock_hz = most_while_streaming(daemon, 250)
    assert load > 0.5
    assert watts > rest_w + 2.0
    assert (rest_hz, clock_hz) == (306e6, 625e6)
    engine = daemon.quiet()
    assert engine["gpu_s"] > before_s + 0.1
    assert engine["gpu_s"] == pytest.approx(engine["native_s"])
    tools.eventually(lambda: figures(daemon)[1] < 0.01, "the GPU rests again")


@pytest.mark.slow
def test_a_request_pays_what_the_gpu_took_and_no_joule_is_lost(daemon):
    edge = daemon.post({"prompt": STORY, "max_tokens": 200, "ignore_eos": True}).json()["edge"]
    assert (edge["simulated"], edge["energy_quality"]) == (BOARD, "modelled")
    report = daemon.http.get("/edge/v1/ledger?days=1&last=1").json()
    [booked] = report["last"]
    assert booked["energy_j"] == pytest.approx(edge["energy_j"], abs=1e-4)
    # One core at work adds less than 2 W on this board.
    assert booked["energy_j"] / booked["busy_s"] > 3.0
    for day in report["days"]:
        whole = day["attributed_j"] + day["unattributed_j"]
        assert whole == pytest.approx(day["energy_j"], rel=1e-9)
    shares = sum(model["energy_j"] for model in report["models"])
    assert shares == pytest.approx(sum(day["attributed_j"] for day in report["days"]), rel=1e-9)


def test_whatever_shows_it_says_that_it_is_simulated(daemon):
    daemon.complete(STORY, max_tokens=2)
    state = daemon.status()
    [resident] = state["residents"]
    assert (resident["gpu_layers"], resident["gpu_simulated"]) == (999, True)
    assert state["board"]["simulated"] is True
    assert "gpu simulated" in daemon.run("ps").stdout
    sensors = daemon.run("sensors").stdout
    assert "simulated" in sensors
    assert GPU in sensors
    assert "the GPU is simulated" in daemon.log.read_text()


@pytest.mark.slow
def test_calibrating_measures_what_the_gpu_draws(daemon):
    done = daemon.run("calibrate", "--quick", "--force", timeout=180)
    assert done.returncode == 0, done.stderr
    [fitted] = json.loads(daemon.run("calibrate", "--show", "--json").stdout)["models"]
    assert fitted["gpu_layers"] == 999
    assert fitted["decode_w"] > fitted["idle_w"] + 3.0
    assert fitted["prefill_w"] > fitted["idle_w"] + 3.0
    assert fitted["quality"] == "modelled"
