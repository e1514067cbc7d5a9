"""Values that are well-typed and still cannot work are named with a reason."""

from __future__ import annotations

import pytest

from edge_rt.config.caching import Cache, Semantic
from edge_rt.config.checks import contradictions
from edge_rt.config.loader import check_text
from edge_rt.config.schema import (
    Config,
    Engine,
    GovernorConfig,
    Guard,
    Models,
    Tcp,
)

SOME_KEY = ["0" * 64]


def test_the_defaults_hold_together() -> None:
    assert list(contradictions(Config())) == []


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[::]:80", "192.168.1.4:80"])
def test_an_address_that_others_reach_needs_a_key(listen: str) -> None:
    [(key, reason)] = contradictions(Config(tcp=Tcp(listen=listen)))
    assert key == ("tcp", "listen")
    assert "api_key_sha256" in reason
    assert not list(contradictions(Config(tcp=Tcp(listen=listen, api_key_sha256=SOME_KEY))))


def test_each_of_several_addresses_is_looked_at() -> None:
    both = ["127.0.0.1:8080", "0.0.0.0:80", "11434"]
    found = contradictions(Config(tcp=Tcp(listen=both)))
    assert [key for key, _ in found] == [("tcp", "listen", 1), ("tcp", "listen", 2)]
    assert list(contradictions(Config(tcp=Tcp(listen=["127.0.0.1:11434"])))) == []


@pytest.mark.parametrize("listen", ["127.0.0.1:80", "[::1]:80", "some-host:80"])
def test_loopback_needs_none_and_names_are_judged_later(listen: str) -> None:
    assert list(contradictions(Config(tcp=Tcp(listen=listen)))) == []


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (Config(tcp=Tcp(listen="8080")), ("tcp", "listen")),
        (Config(engine=Engine(batch=64)), ("engine", "prefill_chunk")),
        (Config(engine=Engine(gpu_layers=[4, 0, 4])), ("engine", "gpu_layers", 2)),
        (Config(engine=Engine(kv_type=["f16", "f16"])), ("engine", "kv_type", 1)),
        (Config(engine=Engine(kv_type="q8_0", flash_attention=False)), ("engine", "kv_type")),
        (Config(governor=GovernorConfig(guard=Guard(hold=0.8))), ("governor", "guard", "hold")),
        (
            Config(governor=GovernorConfig(guard=Guard(hold=0.98))),
            ("governor", "guard", "evacuate"),
        ),
        (
            Config(governor=GovernorConfig(sacrifice=("pace", "queue", "pace"))),
            ("governor", "sacrifice", 2),
        ),
        (Config(models=Models(smaller={"a": "b", "c": "c"})), ("models", "smaller", "c")),
    ],
)
def test_the_key_at_fault_is_named(config: Config, key: tuple[str | int, ...]) -> None:
    assert [found for found, _ in contradictions(config)] == [key]


@pytest.mark.parametrize(
    ("peer", "why"),
    [
        ("8.8.8.8:50052", "a private address"),
        ("0.0.0.0:50052", "a private address"),
        ("[::]:50052", "a private address"),
        ("[::ffff:0.0.0.0]:50052", "a private address"),
        ("239.0.0.1:50052", "a private address"),
        ("[2001:4860:4860::8888]:50052", "a private address"),
        ("board.lan:50052", "board.lan"),
        ("10.0.0.12:0", "expected a port"),
        ("10.0.0.12", "expected HOST:PORT"),
    ],
)
def test_layers_lie_on_boards_of_one_s_own_network(peer: str, why: str) -> None:
    engine = Engine(rpc=["10.0.0.11:50052", peer], gpu_layers=1)
    [(key, reason)] = contradictions(Config(engine=engine, offline=False))
    assert key == ("engine", "rpc", 1)
    assert why in reason


def test_other_boards_are_reached_where_the_configuration_allows_it_and_layers_go_there() -> None:
    peers = ["10.0.0.12:50052", "[fd00::2]:50052", "100.64.0.2:50052", "127.0.0.1:50052"]
    engine = Engine(rpc=peers, gpu_layers=[20, 0])
    assert list(contradictions(Config(engine=engine, offline=False))) == []
    [(_, reason)] = contradictions(Config(engine=engine))
    assert "offline" in reason
    [(_, reason)] = contradictions(Config(engine=Engine(rpc=peers), offline=False))
    assert "engine.gpu_layers" in reason


def test_answers_that_nobody_keeps_are_not_compared() -> None:
    semantic = Semantic(model="all-minilm-l6-v2")
    [(key, reason)] = contradictions(Config(cache=Cache(enabled=False, semantic=semantic)))
    assert key == ("cache", "semantic", "model")
    assert "cache.enabled" in reason
    assert not list(contradictions(Config(cache=Cache(semantic=semantic))))


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("models: {store: models}", "models.store"),
        ('models: {catalogue: ["/a\\0b"]}', "models.catalogue[0]"),
        ("socket: {path: ~/x.sock}", "socket.path"),
        ("sensors: {root: tree}", "sensors.root"),
        ("ledger: {path: ledger.db}", "ledger.path"),
    ],
)
def test_paths_are_absolute(section: str, key: str) -> None:
    [fault] = check_text(section.encode(), "config.yaml")[1]
    assert fault.key == key


def test_each_model_of_a_circle_is_told_and_a_chain_is_fine() -> None:
    smaller = {"x": "a", "a": "b", "b": "a"}
    found = dict(contradictions(Config(models=Models(smaller=smaller))))
    assert [key[-1] for key in found] == ["a", "b"]
    assert found["models", "smaller", "a"].endswith("itself: a, then b, then a")
    chain = {"large": "middle", "middle": "small", "other": "small"}
    assert list(contradictions(Config(models=Models(smaller=chain)))) == []
