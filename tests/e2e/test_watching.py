"""What those who watch the daemon see: health, metrics, status."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

MODEL = "smollm2-135m-instruct"


def samples(daemon):
    """Every sample of /metrics: name and labels -> value."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(daemon.metrics())
        for sample in family.samples
    }


def grown(before, after):
    """By how much each sample differs, those that do not left out."""
    return {
        key: value - before.get(key, 0.0)
        for key, value in after.items()
        if value != before.get(key, 0.0)
    }


def test_health_loads_no_model(own_daemon):
    daemon = own_daemon()
    assert daemon.http.get("/health").json()["status"] == "ok"
    assert not daemon.loaded()


def test_health_while_the_engine_is_gone(own_daemon, tools):
    """It waits for the next engine or says that there is none; then all is well again."""
    daemon = own_daemon()
    daemon.kill_engine()
    assert daemon.http.get("/health").status_code in (200, 503)
    tools.eventually(lambda: daemon.http.get("/health").status_code == 200, "it is well again")


def test_tokens_are_counted(daemon):
    ask = {"prompt": "The moon is made of cheese, the old man said. " * 3, "temperature": 0}
    daemon.quiet()
    before = samples(daemon)
    usage = daemon.post(ask | {"max_tokens": 7}).json()["usage"]
    with daemon.stream(**ask, max_tokens=5) as events:
        list(events)
    change = grown(before, samples(daemon))

    def tokens(kind):
        return change.get(("edge_rt_tokens_total", ("kind", kind), ("model", MODEL)), 0)

    assert tokens("prompt") == 2 * usage["prompt_tokens"]
    assert tokens("completion") == usage["completion_tokens"] + 5
    assert 0 < tokens("cached") < tokens("prompt")
    assert change["edge_rt_first_token_seconds_count", ("model", MODEL)] == 2


def test_requests_are_counted_by_outcome(daemon):
    before = samples(daemon)
    daemon.post({"prompt": "Hello", "max_tokens": 1})
    daemon.post({"prompt": "Hello", "temperature": -1})
    daemon.post({"prompt": "Hello", "model": "nobody"})
    change = grown(before, samples(daemon))
    counts = {
        (labels["model"], labels["status"]): value
        for (name, *pairs), value in change.items()
        if name == "edge_rt_requests_total"
        and (labels := dict(pairs))["endpoint"] == "/v1/completions"
    }
    assert counts == {(MODEL, "200"): 1, ("", "400"): 1, ("", "404"): 1}


def test_clients_cannot_make_series(daemon):
    before = samples(daemon).keys()
    for i in range(3):
        daemon.post({"prompt": "Hello", "model": f"nobody-{i}"})
        daemon.http.get(f"/nowhere/{i}")
    new = {str(key) for key in samples(daemon).keys() - before}
    assert not any("nobody" in key or "nowhere" in key for key in new)


def test_nothing_is_in_flight_but_the_one_who_asks(daemon):
    daemon.quiet()
    assert samples(daemon)[("edge_rt_requests_in_flight",)] == 1


def test_status(daemon, tools):
    with daemon.stream(
        prompt="Count: 1, 2,", n=2, max_tokens=900, temperature=0, ignore_eos=True
    ) as events:
        next(events)
        status = daemon.status()
        assert status["requests"] == 1
        assert status["pid"] == daemon.process.pid
        engine = status["engine"]
        assert engine["state"] == "running"
        assert engine["running"] == 2
        assert engine["threads"] == 1
        assert engine["rss_bytes"] > 50e6
        later = tools.eventually(
            lambda: (e := daemon.engine())["steps"] > engine["steps"] and e, "steps are made"
        )
        assert later["native_s"] > engine["native_s"]
        assert later["step_s"] >= later["native_s"]
    (model,) = status["models"]
    assert model == {"id": MODEL, "loaded": True, "backend": "llama.cpp", "context": 1024}
