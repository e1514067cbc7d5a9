"""The engine dies; clients see a pause."""

from __future__ import annotations

import signal
from itertools import islice
from pathlib import Path

import pytest

SAMPLED = {"temperature": 1.0, "seed": 5}
TRIES = 20
STORY = "Once upon a time there was a fox who"


@pytest.fixture(scope="module")
def daemon(make_daemon):
    """A daemon of our own: after several losses the next engine is started more slowly."""
    daemon = make_daemon()
    yield daemon
    daemon.close()


def with_loss(daemon, tools, after, **body):
    """The text of a stream in whose middle the engine is killed, and its last document."""
    said, documents = "", []
    with daemon.stream(**body) as events:
        for document in events:
            documents.append(document)
            if len(documents) == after:
                daemon.kill_engine()
        said = "".join(tools.texts(iter(documents)))
    return said, documents[-1]


@pytest.mark.parametrize("how", [{"temperature": 0}, SAMPLED], ids=["greedy", "sampled"])
def test_a_stream_goes_on_in_the_next_engine(daemon, tools, how):
    body = {"prompt": STORY, "max_tokens": 48, "ignore_eos": True} | how
    whole = daemon.post(body).json()
    assert whole["usage"]["completion_tokens"] == 48
    restarts = daemon.status()["engine"]["restarts"]
    said, last = with_loss(daemon, tools, after=4, stream_options={"include_usage": True}, **body)
    assert daemon.status()["engine"]["restarts"] == restarts + 1
    assert said == whole["choices"][0]["text"]
    assert last["usage"]["completion_tokens"] == 48
    assert last["usage"]["prompt_tokens"] == whole["usage"]["prompt_tokens"]


@pytest.mark.slow
def test_requests_of_every_kind_go_on(daemon, tools):
    """Several at once: answers of one request, a plain one, one whose prompt is being read."""
    several = {"prompt": STORY, "max_tokens": 40, "n": 2, "ignore_eos": True} | SAMPLED
    plain = {"prompt": "Rain", "max_tokens": 40, "temperature": 0, "ignore_eos": True}
    long = {"prompt": [13] * 300, "max_tokens": 4, "temperature": 0}

    def text(body):
        return [choice["text"] for choice in daemon.post(body).json()["choices"]]

    def stream():
        said = ["", ""]
        with daemon.stream(**several) as events:
            for number, document in enumerate(events):
                assert "error" not in document
                for choice in document["choices"]:
                    said[choice["index"]] += choice["text"]
                if number == 10:
                    daemon.kill_engine()
        return said

    undisturbed = [text(body) for body in (several, plain, long)]
    daemon.kill_engine()  # so that nothing of the prompts is in memory
    daemon.engine()
    calls = [stream, lambda: text(plain), lambda: text(long)]
    assert tools.together(calls) == undisturbed


@pytest.mark.slow
def test_what_was_read_is_kept_over_a_kill_and_given_back(daemon, tools):
    """Of a long prompt, in memory that the daemon holds for its engines."""
    files = Path(f"/proc/{daemon.process.pid}/fd")
    [memory] = [one for one in files.iterdir() if "checkpoints" in one.readlink().name]
    body = {"prompt": STORY * 30, "max_tokens": 400, "temperature": 0, "ignore_eos": True}
    whole = daemon.post(body).json()["choices"][0]["text"]
    tools.eventually(lambda: memory.stat().st_blocks == 0, "nothing is kept of it")
    with daemon.stream(**body) as events:
        told = [*islice(events, 12)]
        while not memory.stat().st_blocks:  # it waits for its share of a busy machine's time
            told.append(next(events))
        daemon.kill_engine()
        assert memory.stat().st_blocks > 0
        told += events
    assert "".join(tools.texts(iter(told))) == whole
    tools.eventually(lambda: memory.stat().st_blocks == 0, "the memory is given back")


@pytest.mark.slow
def test_a_prompt_is_read_on_where_a_kill_cut_it_short(daemon, tools):
    """An engine reads 128 of its tokens in a pass."""
    body = {"prompt": [100 + i * 7919 % 5000 for i in range(640)], "max_tokens": 1}
    restarts, steps = daemon.status()["engine"]["restarts"], daemon.steps()

    def kill():
        tools.eventually(lambda: daemon.engine()["steps"] >= steps + 3, "a part of it is read")
        daemon.kill_engine()

    answer, _ = tools.together([lambda: daemon.post(body), kill])
    assert answer.status_code == 200
    assert daemon.status()["engine"]["restarts"] == restarts + 1
    assert daemon.steps() <= 4  # of the new engine; all of the prompt takes five


def test_a_death_while_idle_is_not_noticed(daemon):
    before = daemon.complete(STORY, max_tokens=8)
    pid = daemon.kill_engine()
    assert daemon.complete(STORY, max_tokens=8) == before
    assert daemon.engine()["pid"] != pid


@pytest.mark.slow
def test_a_model_that_was_alone_in_two_engines_is_refused_for_a_while(own_daemon, tools):
    daemon = own_daemon()
    body = {"prompt": STORY, "max_tokens": 900, "temperature": 0, "ignore_eos": True}
    with daemon.stream(**body) as events:
        for _ in range(2):
            documents = list(islice(events, 4))
            daemon.kill_engine(signal.SIGSEGV)
        documents += list(events)
    error = documents[-1]["error"]
    assert error["code"] == "model_load_failed"
    assert "signal SIGSEGV" in error["message"]
    again = daemon.post(body)
    assert (again.status_code, again.json()["error"]["code"]) == (503, "model_load_failed")
    assert int(again.headers["retry-after"]) <= 20
