"""The daemon's life from start to stop, and what it leaves behind."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import psutil
import pytest

ENDLESS = {"prompt": "Count: 1, 2,", "temperature": 0, "max_tokens": 900, "ignore_eos": True}


def sockets(pid) -> set[str]:
    """The sockets among the open descriptors of a process, as the kernel names them."""
    links = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    return {link for link in links if link.startswith("socket:")}


def test_models_are_listed_before_any_is_loaded(own_daemon):
    daemon = own_daemon()
    (model,) = daemon.http.get("/v1/models").json()["data"]
    assert not model["edge"]["loaded"]
    assert daemon.engine()["steps"] == 0


def test_a_preloaded_model_is_there_before_the_first_request(own_daemon, tools):
    daemon = own_daemon(models={"preload": ["nobody", "smollm2-135m-instruct"]})
    tools.eventually(daemon.loaded, "the model is loaded")
    assert daemon.engine()["steps"] == 0
    assert "nobody" in daemon.log.read_text(), "the one that is not there is told of"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_its_streams_first(own_daemon, tools, number):
    daemon = own_daemon()
    engine = daemon.engine()["pid"]
    whole = daemon.complete("Count: 1, 2,", max_tokens=60, ignore_eos=True)
    with daemon.stream(**ENDLESS | {"max_tokens": 60}) as events:
        first = next(events)
        daemon.process.send_signal(number)
        tools.eventually(lambda: not daemon.socket.exists(), "nobody else is let in")
        said = "".join(tools.texts(iter([first, *events])))
    assert said == whole
    assert daemon.process.wait(60) == 0
    assert tools.gone(engine)


@pytest.mark.slow
def test_told_to_stop_it_does_not_wait_for_ever(own_daemon, tools):
    """A stream that outlives the time for draining ends with an error, and the daemon well."""
    daemon = own_daemon(engine={"threads": 1, "context": 8192, "sequences": 1})
    engine = daemon.engine()["pid"]
    with daemon.stream(**ENDLESS | {"max_tokens": 8000}) as events:
        next(events)
        daemon.process.terminate()
        *_, last = events
    assert last["error"]["code"] == "engine_error"
    assert "shutting down" in last["error"]["message"]
    assert daemon.process.wait(60) == 0
    assert tools.gone(engine)
    assert not daemon.socket.exists()
    log = daemon.log.read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log  # it ends as it was told to


def test_stopped_while_idle(own_daemon, tools):
    daemon = own_daemon()
    engine = daemon.engine()["pid"]
    assert daemon.terminate() == 0
    assert not daemon.socket.exists()
    assert tools.gone(engine)


def test_stopped_while_the_engine_starts(own_daemon, tools):
    daemon = own_daemon()
    children = psutil.Process(daemon.process.pid).children()
    assert daemon.terminate() == 0
    assert all(tools.gone(child.pid) for child in children)


@pytest.mark.slow
def test_killed_it_takes_the_engine_along_and_the_next_one_takes_over(own_daemon, tools):
    daemon = own_daemon()
    before = daemon.complete("The moon is", max_tokens=8)
    engine = daemon.engine()["pid"]
    daemon.kill()
    tools.eventually(lambda: tools.gone(engine), "the engine notices")
    assert daemon.socket.is_socket(), "it is stale"
    daemon.start()
    assert daemon.complete("The moon is", max_tokens=8) == before


def test_killed_in_the_middle_of_a_stream_it_takes_the_engine_along(own_daemon, tools):
    daemon = own_daemon()
    with daemon.http.stream(
        "POST", "/v1/completions", json=ENDLESS | {"stream": True, "model": daemon.model}
    ) as response:
        lines = response.iter_lines()
        next(lines)
        engine = daemon.engine()["pid"]
        daemon.kill()
    tools.eventually(lambda: tools.gone(engine), "the engine notices")


def test_killed_it_takes_those_along_that_are_stopped(own_daemon, tools):
    daemon = own_daemon()
    chat = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    assert daemon.post(chat, "/v1/chat/completions").status_code == 200
    children = psutil.Process(daemon.process.pid).children()
    assert len(children) == 2, "the engine and the process that fills in templates"
    try:
        for child in children:
            child.suspend()
        daemon.kill()
        for child in children:
            tools.eventually(lambda pid=child.pid: tools.gone(pid), f"{child} is gone", tries=200)
    finally:
        for child in children:
            if not tools.gone(child.pid):
                child.kill()


def test_a_second_daemon_is_refused(daemon):
    arguments = ["--socket", str(daemon.socket), "--store", str(daemon.store)]
    second = daemon.run("serve", *arguments)
    assert second.returncode == 1
    assert str(daemon.socket) in second.stderr
    assert "another daemon" in second.stderr
    assert "Traceback" not in second.stderr
    assert daemon.complete("Hello", max_tokens=1), "the first one does not mind"


@pytest.mark.slow
def test_of_two_daemons_with_one_state_directory_one_stays(own_daemon, tmp_path, monkeypatch):
    """The first."""
    state = tmp_path / "state"
    daemon = own_daemon(cache={})
    daemon.terminate()
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    daemon.environment = {"STATE_DIRECTORY": str(state)}
    daemon.start()
    assert daemon.complete("Hello", max_tokens=4)
    for path in (state, *state.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, f"{path} is for the daemon's user alone"
    words = ["serve", "--store", str(daemon.store), "--socket", str(tmp_path / "s")]
    second = daemon.run(*words)
    assert second.returncode == 1
    assert "another daemon keeps its files in" in second.stderr
    assert daemon.complete("Hello", max_tokens=4)


def test_a_faulty_configuration_is_refused(daemon, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("engine:\n  threads: many\n")
    result = daemon.run("serve", "--config", str(config), "--socket", str(tmp_path / "s"))
    assert result.returncode == 6
    assert f"{config}:2: engine.threads" in result.stderr


def test_the_engine_inherits_no_socket_but_its_own(own_daemon):
    """Nor may it hold the listening socket when the daemon is gone."""
    daemon = own_daemon()  # no engine of it has made a process for grammars yet
    engine = daemon.engine()["pid"]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        assert len(sockets(engine)) == 1
        assert not sockets(engine) & sockets(daemon.process.pid)


def test_the_sockets_mode_is_the_configured_one(own_daemon):
    daemon = own_daemon(socket={"mode": "0600"})
    assert daemon.socket.stat().st_mode & 0o777 == 0o600
