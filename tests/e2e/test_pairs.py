"""Two models make one answer, in a real daemon: a model, and itself with other numbers."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from strikes import Asking, beset, streamed

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.quantize import quantize
from edge_rt.models.store.store import Store

LARGE, SMALL = "smollm2-135m-instruct", "smollm2-small"
ASK = {"prompt": "Once upon a time there was a fox who", "max_tokens": 40, "ignore_eos": True}
GREEDY = {"temperature": 0}
SAMPLED = {"temperature": 1.0, "seed": 5}
TURNS = {"mode": "switch", "large_share": 0.4}

Daemon = Any


@pytest.fixture(scope="module")
def pair_store(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Path:
    root = tmp_path_factory.mktemp("pair")
    source = root / smollm2.name
    try:
        os.link(smollm2, source)
    except OSError:  # the cache is on another disk
        shutil.copyfile(smollm2, source)
    store = Store(root / "models", load_catalogue())
    store.add(source, move=True)
    quantize(LARGE, "Q3_K_M", store, new_id=SMALL)
    return store.root


@pytest.fixture(scope="module")
def daemon(make_daemon: Any, pair_store: Path, tmp_path_factory: Any) -> Iterator[Daemon]:
    """One that knows of the pair."""
    catalogue = tmp_path_factory.mktemp("c") / "pairs.yaml"
    catalogue.write_text(f"pairs: [{{large: {LARGE}, small: {SMALL}, mode: single}}]")
    models = {"catalogue": [str(catalogue)], "default": LARGE}
    made = make_daemon(pair_store, models=models)
    yield made
    made.close()


def answer(daemon: Daemon, model: str = LARGE, **fields: Any) -> dict[str, Any]:
    response = daemon.post({"model": model} | ASK | GREEDY | fields)
    assert response.status_code == 200, response.text
    return response.json()


def text(daemon: Daemon, model: str = LARGE, **fields: Any) -> str:
    return answer(daemon, model, **fields)["choices"][0]["text"]


@pytest.mark.parametrize("how", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("mode", ["speculative", "lookup"])
def test_what_is_lossless_changes_nothing(daemon: Daemon, mode: str, how: dict) -> None:
    alone = text(daemon, **how, edge={"mode": "single"})
    told = answer(daemon, **how, edge={"mode": mode})
    assert told["choices"][0]["text"] == alone
    edge = told["edge"]
    assert edge["mode"] == mode
    assert (edge["small_tokens"], edge["large_tokens"]) == (0, 40)
    if mode == "speculative":
        assert daemon.loaded() == {LARGE, SMALL}
        assert edge["partner"] == SMALL


def test_the_gate_makes_an_answer_and_tells_who_wrote_it(daemon: Daemon) -> None:
    edge = answer(daemon, edge=TURNS)["edge"]
    assert edge["mode"] == "switch:entropy"
    assert edge["small_tokens"] + edge["large_tokens"] == 40
    assert edge["accepted_tokens"] + edge["rejected_tokens"] > 0


def test_answers_of_all_modes_run_side_by_side(daemon: Daemon, tools: Any) -> None:
    modes = ("single", "speculative", "lookup")
    edges = [{"mode": mode} for mode in modes] + [TURNS]
    before = [text(daemon, edge=edge) for edge in edges]
    calls = [lambda edge=edge: text(daemon, edge=edge) for edge in edges * 2]
    assert tools.together(calls) == before * 2


@pytest.mark.parametrize("edge", [{"mode": "speculative"}, TURNS], ids=["speculative", "switch"])
def test_an_answer_goes_on_in_the_next_engine(daemon: Daemon, edge: dict, tools: Any) -> None:
    whole = answer(daemon, edge=edge)
    pieces: list[str] = []
    documents: list[dict] = []
    options = {"stream_options": {"include_usage": True}}
    with daemon.stream(**ASK, **GREEDY, **options, edge=edge) as events:
        for document in events:
            documents.append(document)
            if len(documents) == 8:
                daemon.kill_engine()
    pieces = list(tools.texts(iter(documents)))
    assert "".join(pieces) == whole["choices"][0]["text"]
    told = documents[-1]["edge"]
    assert told["small_tokens"] + told["large_tokens"] == 40


@pytest.mark.parametrize(
    ("kills", "hangs"),
    [pytest.param(4, 1, id="short"), pytest.param(60, 10, id="whole", marks=pytest.mark.whole)],
)
def test_answers_go_on_however_often_engines_are_ended(
    daemon: Daemon, tools: Any, kills: int, hangs: int
) -> None:
    kinds = [
        GREEDY | {"edge": {"mode": "speculative"}},
        SAMPLED | {"edge": {"mode": "speculative"}},
        GREEDY | {"edge": TURNS},
        GREEDY | {"edge": {"mode": "lookup"}, "n": 2},
    ]
    streams: list[Asking] = []
    for kind in kinds:
        body = {"model": LARGE} | ASK | kind | {"max_tokens": 120}
        body["edge"] = kind["edge"] | {"cache": "refresh"}
        streams.append(Asking(daemon.client(), streamed("/v1/completions", tools.events, body)))
    signs = [signal.SIGKILL] * kills + [signal.SIGSTOP] * hangs
    beset(tools.together, daemon.process.pid, signs, random.Random(2), streams)
    assert all(stream.answers > 1 for stream in streams)


def test_it_is_told_everywhere(daemon: Daemon) -> None:
    response = daemon.post(ASK | GREEDY | {"edge": TURNS})
    assert response.headers["x-edge-mode"] == "switch:entropy"
    assert response.headers["x-edge-partner"] == SMALL
    [last] = daemon.http.get("/edge/v1/ledger?days=1&last=1").json()["last"]
    edge = response.json()["edge"]
    assert (last["mode"], last["partner"]) == ("switch:entropy", SMALL)
    assert last["large_tokens"] == edge["large_tokens"]
    assert f'edge_rt_mode_tokens_total{{kind="large",mode="switch:entropy",model="{LARGE}"}}' in (
        daemon.metrics()
    )
    shown = daemon.run("run", "--mode", "speculative", "--max-tokens", "8", "Hi")
    assert "speculative: " in shown.stderr
    assert "drafted tokens kept" in shown.stderr


def test_what_cannot_be_is_told_with_the_field(daemon: Daemon) -> None:
    for edge, param in (
        ({"mode": "switch:luck"}, "edge.mode"),
        ({"mode": "speculative", "partner": "nobody"}, "edge.partner"),
        ({"large_share": 0.2}, "edge.large_share"),
    ):
        response = daemon.post(ASK | {"edge": edge})
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    response = daemon.post(ASK | {"model": SMALL, "edge": {"mode": "speculative"}})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "edge.mode")
