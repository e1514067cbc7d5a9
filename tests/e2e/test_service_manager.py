"""As systemd runs it: the daemon is handed its socket, tells how it does, and reloads on SIGHUP."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import psutil
import pytest

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

STREAM = {"prompt": "Count: 1, 2,", "temperature": 0, "max_tokens": 300, "ignore_eos": True}
# What systemd does between fork and exec: the socket becomes descriptor 3 of this very process.
HAND_OVER = 'exec 3<&"$1"; shift; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'


class Manager:
    """systemd's part for one daemon: the socket that it listens on, and what it hears."""

    def __init__(self, daemon) -> None:
        self.daemon = daemon
        self._heard: list[str] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(daemon.socket))
        self._listening.listen()
        ear = daemon.directory / "notify"
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._ear.bind(str(ear))
        number = self._listening.fileno()
        daemon.through = ["bash", "-c", HAND_OVER, "bash", str(number)]
        daemon.descriptors = [number]
        daemon.environment = {"NOTIFY_SOCKET": str(ear), "WATCHDOG_USEC": "3000000"}

    def has_heard(self, line: str, times: int = 1) -> bool:
        try:
            while True:
                self._heard += self._ear.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self._heard.count(line) >= times

    def close(self) -> None:
        self._listening.close()
        self._ear.close()


@pytest.fixture
def manager(own_daemon):
    daemon = own_daemon(models={"preload": ["smollm2-135m-instruct"]})
    assert daemon.terminate() == 0
    manager = Manager(daemon)
    yield manager
    manager.close()


def test_it_is_told_to_be_ready_alive_and_at_its_end(manager, tools):
    daemon = manager.daemon
    daemon.start()
    tools.eventually(lambda: manager.has_heard("READY=1"), "it is ready")
    assert daemon.loaded(), "what is preloaded is there by then"
    assert manager.has_heard("EXTEND_TIMEOUT_USEC=30000000")
    tools.eventually(lambda: manager.has_heard("WATCHDOG=1", times=3), "it lives")
    assert daemon.terminate() == 0
    assert manager.has_heard("STOPPING=1")


def test_a_service_without_a_model_stays_up_and_says_that_it_cannot_answer(
    manager, tools, tmp_path, smollm2
):
    daemon = manager.daemon
    daemon.store = tmp_path / "models"
    daemon.configure(models={"preload": []})
    daemon.start()
    tools.eventually(lambda: manager.has_heard("READY=1"), "it is ready without a model, too")
    tools.eventually(lambda: manager.has_heard("WATCHDOG=1", times=2), "it lives")
    health = daemon.http.get("/health")
    assert health.status_code == 503
    error = health.json()["error"]
    assert error["code"] == "no_model"
    assert error["message"].startswith("No text model is installed. Run: edge-rt models pull")
    shown = daemon.run("status")
    assert shown.returncode == 5
    assert error["message"] in shown.stdout
    Store(daemon.store, load_catalogue()).add(smollm2, daemon.model)
    assert daemon.http.get("/health").status_code == 200, "no restart is needed"
    assert daemon.run("status").returncode == 0


def test_a_loop_that_hangs_gives_no_sign_and_tells_where(manager, tools):
    daemon = manager.daemon
    daemon.start()
    tools.eventually(lambda: manager.has_heard("READY=1"), "it is ready")
    daemon.process.send_signal(signal.SIGABRT)  # what systemd sends when it hears nothing
    assert daemon.process.wait(60) == -signal.SIGABRT
    assert "Current thread" in daemon.log.read_text()


def test_clients_that_come_while_no_daemon_runs_wait_for_the_next(manager, tools):
    daemon = manager.daemon
    with socket.socket(socket.AF_UNIX) as early:
        early.connect(str(daemon.socket))
        early.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        daemon.start()
        early.settimeout(60)
        assert early.recv(15) == b"HTTP/1.1 200 OK"
    assert daemon.terminate() == 0
    assert daemon.socket.is_socket(), "it is systemd's, not the daemon's"
    daemon.start()
    assert daemon.complete("Hello", max_tokens=1)


def test_the_engine_gets_neither_the_socket_nor_the_word_of_systemd(manager):
    daemon = manager.daemon
    daemon.start()
    ours = Path(f"/proc/{daemon.process.pid}/fd/3").readlink()
    engine = daemon.engine()["pid"]
    links = [link.readlink() for link in Path(f"/proc/{engine}/fd").iterdir()]
    assert str(ours).startswith("socket:")
    assert ours not in links
    names = psutil.Process(engine).environ()
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS"} & set(names)


def test_reloaded_it_takes_what_it_can_and_no_stream_ends(manager, tools):
    daemon = manager.daemon
    daemon.start()
    tools.eventually(lambda: manager.has_heard("READY=1"), "it is ready")
    whole = daemon.complete(**STREAM)
    with daemon.stream(**STREAM) as events:
        first = next(events)
        daemon.configure(budget={"power_w": 999}, requests={"queue": 3})
        daemon.process.send_signal(signal.SIGHUP)
        tools.eventually(lambda: manager.has_heard("READY=1", times=2), "it has reloaded")
        said = "".join(tools.texts(iter([first, *events])))
    assert said == whole
    assert manager.has_heard("RELOADING=1")
    assert daemon.http.get("/edge/v1/budget").json()["budget"]["power_w"] == 999
    log = daemon.log.read_text()
    assert "in force now: budget.power_w" in log
    assert "after a restart only (systemctl restart edge-rt): models.preload, requests.queue" in log


def test_a_faulty_configuration_is_told_and_serving_goes_on(manager, tools):
    daemon = manager.daemon
    daemon.start()
    tools.eventually(lambda: manager.has_heard("READY=1"), "it is ready")
    daemon.configure(budget={"power_w": "much"})
    daemon.process.send_signal(signal.SIGHUP)
    tools.eventually(lambda: manager.has_heard("READY=1", times=2), "it has reloaded")
    assert "the configuration stays as it was" in daemon.log.read_text()
    assert daemon.complete("Hello", max_tokens=1)


def test_without_systemd_a_terminal_that_closes_ends_it(own_daemon):
    daemon = own_daemon()
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.process.wait(60) == -signal.SIGHUP
