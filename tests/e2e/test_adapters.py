"""LoRA adapters through a real daemon: one base, an adapter by request, nothing loaded again."""

from __future__ import annotations

import re
from contextlib import closing

import numpy as np
import pytest
from lora import write_lora
from tiny_gguf import Tiny, byte_level, dequantised, write_tiny

from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.store.store import Store

PROMPT = "he said hello to the world"
TOKENS = 12
NAMES = ("base", "base+one", "base+two", "base+one=0.5+two=2")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a model of random weights and two adapters for it."""
    root = tmp_path_factory.mktemp("lora")
    base = write_tiny(root / "base.gguf", Tiny(), byte_level("gpt-2"))
    store, weights = Store(root / "store", Catalogue()), dequantised(base)
    store.add(base, "base")
    for seed, name in enumerate(("one", "two"), 1):
        store.add(write_lora(root / f"{name}.gguf", weights, seed), name)
    return store


@pytest.fixture(scope="module")
def daemon(make_daemon, models):
    daemon = make_daemon(models.root, log={"level": "info"})
    yield daemon
    daemon.close()


def greedy(models: Store, name: str) -> list[str]:
    """The likeliest tokens, one after the other, by the backend itself."""
    entry = models.get(name)
    adapters = [(str(adapter.path), scale) for adapter, scale in entry.adapters]
    with closing(
        LlamaBackend(entry.path, context=256, sequences=1, batch=64, threads=1, adapters=adapters)
    ) as model:
        fed, found, start = model.tokenize(PROMPT, special=False), list[str](), 0
        for _ in range(TOKENS):
            model.batch.clear()
            row = model.batch.add(0, start, fed, want=1)
            model.forward()
            start += len(fed)
            fed = [int(np.argmax(model.logits(row)))]
            found.append(written(model.piece(fed[0])))
    return found


def written(piece: bytes) -> str:
    """As OpenAI writes a token that is no whole character."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)


def told(daemon, name: str, **fields) -> list[str]:
    body = {"prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "logprobs": 1}
    body |= {"model": name, "ignore_eos": True, "edge": {"cache": "off"}} | fields
    answer = daemon.post(body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["logprobs"]["tokens"]


def test_each_adapter_answers_as_the_backend_has_it_and_stays_loaded(daemon, models):
    expected = {name: greedy(models, name) for name in NAMES}
    assert len({tuple(tokens) for tokens in expected.values()}) == len(NAMES)
    for _ in range(2):
        for name in NAMES:
            assert told(daemon, name) == expected[name], name
    listed = daemon.http.get("/api/ps").json()["models"]
    assert {one["model"].removesuffix(":latest") for one in listed} == set(NAMES)
    loads = re.findall(r"loaded (\S+)@\w+ in", daemon.log.read_text())
    assert sorted(loads) == sorted(NAMES), "each of them once"


def test_the_field_of_llama_server_says_the_same(daemon, models):
    one, both = greedy(models, NAMES[1]), greedy(models, NAMES[3])
    assert told(daemon, "base", lora=[{"id": "one"}]) == one
    assert told(daemon, "base", lora=[{"id": 0, "scale": 1.0}]) == one
    assert (
        told(daemon, "base", lora=[{"id": "one", "scale": 0.5}, {"id": "two", "scale": 2}]) == both
    )
    assert told(daemon, "base", lora=[]) == greedy(models, "base")


def test_what_is_no_adapter_is_refused_by_name(daemon):
    for name, status in (("base+nobody", 404), ("base+base", 400), ("one", 400)):
        answer = daemon.post({"model": name, "prompt": "a", "max_tokens": 1})
        assert answer.status_code == status, answer.text
    wrong = daemon.post({"model": "base", "prompt": "a", "lora": [{"id": "A b"}]})
    assert wrong.json()["error"]["param"] == "lora[0].id"


def test_adapters_are_listed_as_such(daemon):
    kinds = {one["id"]: one["edge"]["kind"] for one in daemon.http.get("/v1/models").json()["data"]}
    assert kinds == {"base": "language", "one": "adapter", "two": "adapter"}


def test_a_killed_engine_comes_back_with_the_adapters(daemon, models):
    expected = greedy(models, "base+two")
    assert told(daemon, "base+two") == expected
    daemon.kill_engine()
    assert told(daemon, "base+two") == expected
    assert told(daemon, "base") == greedy(models, "base")
