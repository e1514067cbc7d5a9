"""Embeddings from a real daemon on a simulated board."""

from __future__ import annotations

import base64

import httpx
import numpy as np
import openai
import pytest
from embedding_texts import cosines, plain_vectors, texts

EMBEDDING = "all-minilm-l6-v2"
STORY = "Once upon a time there was a fox who"


@pytest.fixture(scope="module")
def board(make_board):
    with make_board("jetson-orin-nano-8gb") as root:
        yield root


@pytest.fixture(scope="module")
def plain(minilm) -> np.ndarray:
    """The right vectors of the 200 texts."""
    return plain_vectors(minilm, texts())


@pytest.fixture(scope="module")
def daemon(make_daemon, tasks_store, plain, board, tools):
    """A daemon that begins when this process is done with computing, which heats the board too."""
    daemon = make_daemon(tasks_store, sensors={"root": str(board)})

    def rested():
        supply = daemon.http.get("/edge/v1/board").json()["supply"]
        return supply and supply["idle_w"]

    tools.steady(rested, "the board's rest is seen")
    yield daemon
    daemon.close()


def embed(daemon, given, **fields):
    body = {"model": EMBEDDING, "input": given} | fields
    return daemon.http.post("/v1/embeddings", json=body)


def ledger(daemon, last=0):
    return daemon.http.get(f"/edge/v1/ledger?days=3650&last={last}").json()


def vectors(answer) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.array([item["embedding"] for item in answer.json()["data"]])


# --- embeddings


def test_the_sdk_gets_the_vectors_of_an_independent_implementation(sdk, plain):
    given = texts()
    answer = sdk.embeddings.create(model=EMBEDDING, input=given)
    assert [item.index for item in answer.data] == list(range(len(given)))
    found = np.array([item.embedding for item in answer.data])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    assert cosines(found, plain).min() >= 0.99


def test_numbers_and_base64_are_the_same_vectors(daemon):
    numbers = vectors(embed(daemon, ["one text", "another"], encoding_format="float"))
    coded = embed(daemon, ["one text", "another"], encoding_format="base64").json()["data"]
    decoded = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in coded]
    np.testing.assert_allclose(numbers, decoded, atol=1e-6)


def test_token_ids_are_the_text_that_they_were_cut_from(daemon):
    ids = [101, 7592, 2088, 102]  # [CLS] hello world [SEP]
    assert cosines(vectors(embed(daemon, ids)), vectors(embed(daemon, "Hello world"))) >= 0.999
    both = vectors(embed(daemon, [ids, ids]))
    assert both.shape == (2, 384)


def test_fewer_dimensions_are_the_first_ones_at_length_1(daemon):
    whole, part = (vectors(embed(daemon, "a text", dimensions=n))[0] for n in (384, 32))
    np.testing.assert_allclose(part, whole[:32] / np.linalg.norm(whole[:32]), atol=1e-5)


@pytest.mark.parametrize(
    ("given", "fields", "param"),
    [
        ("", {}, "input"),
        (["a", ""], {}, "input[1]"),
        ([], {}, "input"),
        (["a"] * 2049, {}, "input"),
        ("word " * 300, {}, "input"),
        (["a", "word " * 300], {}, "input[1]"),
        ([1, 10**6], {}, "input"),
        (["a", 5], {}, "input"),
        ("a", {"dimensions": 385}, "dimensions"),
        ("a", {"encoding_format": "hex"}, "encoding_format"),
        ("a", {"edge": {"truncate": "middle"}}, "edge.truncate"),
        ("a", {"model": "smollm2-135m-instruct"}, "model"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(daemon, given, fields, param):
    answer = embed(daemon, given, **fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


def test_the_sdk_raises_what_it_knows(sdk):
    with pytest.raises(openai.BadRequestError, match="too many"):
        sdk.embeddings.create(model=EMBEDDING, input="word " * 300)
    with pytest.raises(openai.NotFoundError):
        sdk.embeddings.create(model="absent", input="a")


def test_too_long_is_cut_where_that_is_asked_for(daemon):
    long = "alpha " * 300 + "omega " * 300
    first = vectors(embed(daemon, "alpha " * 254))
    last = vectors(embed(daemon, "omega " * 254))
    assert cosines(vectors(embed(daemon, long, edge={"truncate": True})), first) >= 0.999
    assert cosines(vectors(embed(daemon, long, edge={"truncate": "start"})), last) >= 0.999
    assert embed(daemon, long, edge={"truncate": "end"}).json()["usage"]["prompt_tokens"] == 256


def test_an_answer_says_what_it_cost(daemon):
    answer = embed(daemon, ["a text of some words"] * 200)
    edge = answer.json()["edge"]
    assert edge["model"] == EMBEDDING
    assert edge["backend"] == "onnx"
    assert edge["energy_j"] > 0
    assert edge["energy_quality"] == "modelled"
    assert edge["prefill_s"] > 0
    assert float(answer.headers["x-edge-energy-j"]) == edge["energy_j"]
    [entry] = ledger(daemon, last=1)["last"]
    assert entry["model"] == EMBEDDING
    assert entry["energy_j"] == pytest.approx(edge["energy_j"], abs=1e-4)
    assert entry["prompt_tokens"] == answer.json()["usage"]["total_tokens"]
    assert entry["busy_s"] > 0
    assert f'edge_rt_energy_joules_total{{model="{EMBEDDING}"' in daemon.metrics()


def test_shares_and_the_rest_are_the_rails_integral_beside_streams(daemon, tools):
    before = sum(model["energy_j"] for model in ledger(daemon)["models"])
    body = {"prompt": STORY, "max_tokens": 48, "ignore_eos": True, "temperature": 1.0}
    streams = [lambda seed=i: daemon.post(body | {"seed": seed}) for i in range(3)]
    batches = [lambda: embed(daemon, texts(64))] * 3
    answers = tools.together([*streams, *batches])
    assert all(answer.status_code == 200 for answer in answers)

    report = ledger(daemon, last=len(answers))
    total = sum(day["energy_j"] for day in report["days"])
    shares = sum(day["attributed_j"] for day in report["days"])
    rest = sum(day["unattributed_j"] for day in report["days"])
    assert shares + rest == pytest.approx(total, rel=1e-9)
    assert shares == pytest.approx(sum(m["energy_j"] for m in report["models"]), rel=1e-6)
    known = [entry["energy_j"] for entry in report["last"] if entry["energy_j"] is not None]
    assert len(known) >= 5
    assert shares - before == pytest.approx(sum(known), rel=1e-6)
    assert {entry["model"] for entry in report["last"]} == {daemon.model, EMBEDDING}


def test_a_stream_goes_on_beside_a_batch(daemon, tools):
    order = []

    def stream():
        with daemon.stream(prompt=STORY, max_tokens=400, ignore_eos=True) as events:
            for number, _ in enumerate(events):
                order.append(number)

    def batch():
        tools.eventually(lambda: len(order) > 5, "the stream runs")
        before = len(order)
        assert embed(daemon, texts(200)).status_code == 200
        return len(order) - before

    _, during = tools.together([stream, batch])
    assert during > 10


def test_embeddings_outlive_the_engine(daemon, tools):
    engine = daemon.engine()["pid"]
    work = [lambda: embed(daemon, texts(400)), lambda: daemon.kill_engine()]
    answer, killed = tools.together(work)
    assert killed == engine
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == 400


def test_a_client_that_leaves_is_booked_as_one(daemon, tools):
    requests = sum(model["requests"] for model in ledger(daemon)["models"])
    with pytest.raises(httpx.TimeoutException):
        daemon.client().post(
            "/v1/embeddings", json={"model": EMBEDDING, "input": texts(2048)}, timeout=1.0
        )
    tools.eventually(
        lambda: sum(m["requests"] for m in ledger(daemon)["models"]) == requests + 1,
        "the request is booked",
    )
    [entry] = ledger(daemon, last=1)["last"]
    assert entry["status"] == "cancelled"
    assert daemon.quiet()["running"] == 0


def test_time_that_is_over_before_it_is_done_is_told(daemon):
    answer = embed(daemon, texts(400), edge={"latency_s": 0.02})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "latency"
    assert int(answer.headers["retry-after"]) >= 1


def test_joules_that_do_not_suffice_are_told(daemon):
    answer = embed(daemon, texts(400), edge={"energy_j": 0.001})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "edge.energy_j"


def test_a_health_check_embeds_where_an_embedding_model_was_used_last(daemon):
    embed(daemon, "a")
    health = daemon.http.get("/health").json()
    assert health["status"] == "ok"


def test_a_short_run_has_joules_in_the_answer_and_in_the_ledger(daemon):
    """It is over in a few milliseconds, in which no sensor is read."""
    vectors(embed(daemon, ["a text of some length"] * 64))  # which tells what seconds cost
    answer = embed(daemon, "a")
    assert answer.json()["edge"]["energy_j"] > 0
    entry = ledger(daemon, last=1)["last"][0]
    assert (entry["model"], entry["quality"]) == (EMBEDDING, "modelled")
    assert entry["energy_j"] == pytest.approx(answer.json()["edge"]["energy_j"], abs=1e-4)
