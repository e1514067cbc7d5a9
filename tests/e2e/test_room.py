"""Too many requests, too little memory, models that nobody uses."""

from __future__ import annotations

import shutil

import openai
import pytest

ENDLESS = {"prompt": "Count: 1, 2,", "temperature": 0, "max_tokens": 900, "ignore_eos": True}


@pytest.mark.parametrize("stream", [False, True])
def test_a_full_queue(own_daemon, tools, stream):
    """One more than requests.queue is refused, at once and before a stream begins."""
    daemon = own_daemon(requests={"queue": 2})
    with daemon.stream(**ENDLESS) as first, daemon.stream(**ENDLESS) as second:
        next(first), next(second)
        answer = daemon.post(ENDLESS | {"stream": stream})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        error = answer.json()["error"]
        assert error["code"] == "queue_full"
        assert "requests.queue" in error["message"]
    daemon.quiet()
    assert daemon.complete("Hello", max_tokens=1)


def test_the_sdk_tries_again_when_the_queue_was_full(own_daemon, tools):
    daemon = own_daemon(requests={"queue": 1})
    sdk = daemon.sdk().with_options(max_retries=5)
    with daemon.stream(**ENDLESS | {"max_tokens": 30}) as events:
        next(events)
        answer, _ = tools.together(
            [
                lambda: sdk.completions.create(model=daemon.model, prompt="Hello", max_tokens=1),
                lambda: list(events),
            ]
        )
    assert answer.choices[0].finish_reason == "length"


def test_an_idle_model_leaves_memory_and_comes_back(own_daemon, tools):
    daemon = own_daemon(models={"idle_unload_s": 0.5})
    first = daemon.complete("The moon is", max_tokens=8)
    full = daemon.engine()["rss_bytes"]
    tools.eventually(lambda: not daemon.loaded(), "the model is unloaded")
    assert daemon.engine()["rss_bytes"] < full - 50e6
    assert daemon.complete("The moon is", max_tokens=8) == first


def test_a_model_in_use_is_not_idle(own_daemon, tools):
    daemon = own_daemon(models={"idle_unload_s": 0.5})
    with daemon.stream(**ENDLESS | {"max_tokens": 250}) as events:
        for _ in events:
            assert daemon.loaded() == {daemon.model}
    tools.eventually(lambda: not daemon.loaded(), "the model is unloaded")


def test_health_does_not_keep_a_model_in_memory(own_daemon, tools):
    daemon = own_daemon(models={"idle_unload_s": 0.5})
    daemon.complete("Hello", max_tokens=1)

    def unloaded():
        daemon.http.get("/health")
        return not daemon.loaded()

    tools.eventually(unloaded, "the model is unloaded all the same")


def test_no_memory_for_a_model(own_daemon):
    daemon = own_daemon(models={"reserve_bytes": 1 << 50})
    answer = daemon.post({"prompt": "Hello"})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    error = answer.json()["error"]
    assert error["code"] == "out_of_memory"
    assert "MB" in error["message"]
    assert daemon.http.get("/health").status_code == 200
    assert not daemon.loaded()


@pytest.fixture
def own_store(store, tmp_path):
    """A copy of the store that a test may change."""
    return shutil.copytree(store, tmp_path / "models")


def test_a_model_added_to_a_running_daemon(own_daemon, own_store, smollm2, tools):
    """It is served at once; removed, it is not."""
    daemon = own_daemon(own_store)
    with pytest.raises(openai.NotFoundError):
        daemon.sdk().models.retrieve("second")
    there = ["--store", str(own_store)]
    added = daemon.run("models", "add", str(smollm2), "--id", "second", *there)
    assert (added.returncode, added.stdout) == (0, "second\n")
    first = daemon.complete("The moon is", max_tokens=8)
    assert daemon.complete("The moon is", max_tokens=8, model="second") == first
    assert daemon.loaded() == {daemon.model, "second"}
    assert daemon.run("models", "remove", "second", *there).returncode == 0
    assert daemon.post({"prompt": "x", "model": "second"}).status_code == 404


def test_two_models_answer_at_the_same_time(own_daemon, own_store, smollm2, tools):
    daemon = own_daemon(own_store)
    daemon.run("models", "add", str(smollm2), "--id", "second", "--store", str(own_store))
    alone = daemon.complete("The moon is", max_tokens=24)
    calls = [
        lambda model=model: daemon.complete("The moon is", max_tokens=24, model=model)
        for model in (daemon.model, "second", daemon.model, "second")
    ]
    assert tools.together(calls) == [alone] * 4


def test_a_client_that_leaves_while_the_model_loads(own_daemon, tools):
    """Its load serves whoever comes next, and nobody's answer is cut short by it."""
    daemon = own_daemon()
    whole = daemon.complete("The moon is", max_tokens=40)
    daemon.kill_engine()
    daemon.engine()
    impatient = daemon.client()
    with pytest.raises(openai.APITimeoutError):
        openai.OpenAI(
            api_key="unused", base_url="http://localhost/v1", http_client=impatient, max_retries=0
        ).completions.create(model=daemon.model, prompt="The sun is", timeout=0.05)
    assert daemon.complete("The moon is", max_tokens=40) == whole
    assert daemon.loaded() == {daemon.model}


def test_a_model_that_was_replaced(own_daemon, own_store, smollm2, tmp_path):
    """Under the same id the new content answers, not the one that is still in memory."""
    other = tmp_path / "other.gguf"
    shutil.copyfile(smollm2, other)
    with other.open("r+b") as data:
        data.seek(60_000_000)
        data.write(bytes(3_000_000))  # other weights, in a file that is as valid
    daemon = own_daemon(own_store)
    there = ["--store", str(own_store)]
    daemon.run("models", "add", str(smollm2), "--id", "second", *there)
    before = daemon.complete("The moon is", max_tokens=8, model="second")
    daemon.run("models", "remove", "second", *there)
    assert daemon.run("models", "add", str(other), "--id", "second", *there).returncode == 0
    assert daemon.complete("The moon is", max_tokens=8, model="second") != before
