"""The service on a systemd of its own: it starts, goes on when its parts die, and reloads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from vm_asking import eventually, streaming, text
from vm_guests import STREAM, Box

WATCHDOG = "etc/systemd/system/edge-rt.service.d/vm.conf"


@pytest.fixture
def serving(box: Box) -> Box:
    """The box with its model loaded."""
    box.complete(prompt="Hello", max_tokens=1)
    return box


def test_the_first_connection_starts_the_daemon(box: Box) -> None:
    box.run("systemctl", "stop", "edge-rt.service")
    assert box.show("ActiveState") == "inactive"
    assert box.show("ActiveState", "edge-rt.socket") == "active"
    assert box.complete(prompt="Hello", max_tokens=4)
    assert box.show("ActiveState") == "active"


def test_who_is_in_the_group_may_ask_and_nobody_else(serving: Box) -> None:
    serving.run("useradd", "--groups=edge-rt", "friend")
    serving.run("useradd", "stranger")
    question = ["edge-rt", "run", "Why is the sky blue?", "--max-tokens", "4"]

    def asked(user: str) -> Any:
        user_id = serving.run("id", "-u", user).stdout.strip()
        who = [f"--reuid={user_id}", f"--regid={user_id}", "--init-groups"]
        return serving.run("setpriv", *who, *question, check=False)

    assert asked("friend").returncode == 0
    refused = asked("stranger")
    assert refused.returncode != 0
    assert "become a member of its group" in refused.stderr


def test_it_has_no_rights_and_no_network(serving: Box) -> None:
    daemon, engine = int(serving.show("MainPID")), serving.engine()
    ours = serving.run("readlink", "/proc/1/ns/net").stdout
    for process in (daemon, engine):
        status = serving.run("cat", f"/proc/{process}/status").stdout
        said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert {int(said[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
        assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
        user = serving.run("id", "-u", "edge-rt").stdout.strip()
        assert set(said["Uid"].split()) == {user}
        assert serving.run("readlink", f"/proc/{process}/ns/net").stdout != ours


def test_an_engine_that_is_killed_costs_a_stream_nothing(serving: Box) -> None:
    whole, daemon = serving.complete(**STREAM), serving.show("MainPID")
    with streaming(serving) as said:
        killed = serving.engine()
        serving.run("kill", "-KILL", str(killed))
        assert text(said()) == whole
    assert serving.show("MainPID") == daemon
    assert serving.engine() != killed


def test_an_engine_that_hangs_costs_a_stream_nothing(serving: Box) -> None:
    whole, daemon = serving.complete(**STREAM), serving.show("MainPID")
    with streaming(serving) as said:
        hanging = serving.engine()
        serving.run("kill", "-STOP", str(hanging))
        assert text(said()) == whole
    assert serving.show("MainPID") == daemon
    assert str(hanging) not in serving.processes()


def test_a_daemon_that_is_killed_is_started_again_on_the_same_socket(serving: Box) -> None:
    left, restarts = serving.processes(), int(serving.show("NRestarts"))
    socket = serving.run("stat", "--format=%i", "/run/edge-rt/edge-rt.sock").stdout
    serving.run("kill", "-KILL", serving.show("MainPID"))
    assert serving.complete(prompt="Hello", max_tokens=4)  # who comes meanwhile waits
    assert int(serving.show("NRestarts")) == restarts + 1
    assert not set(left) & set(serving.processes()), "its engine went with it"
    assert serving.run("stat", "--format=%i", "/run/edge-rt/edge-rt.sock").stdout == socket


@pytest.fixture
def impatient(box: Box) -> Iterator[Box]:
    """With a watchdog that does not wait half a minute."""
    box.write(WATCHDOG, "[Service]\nWatchdogSec=3\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "edge-rt.service")
    yield box
    (box.guest.files / WATCHDOG).unlink()
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "edge-rt.service")


def test_a_daemon_that_hangs_is_ended_and_started_again(impatient: Box) -> None:
    impatient.complete(prompt="Hello", max_tokens=1)
    left, restarts = impatient.processes(), int(impatient.show("NRestarts"))
    impatient.run("kill", "-STOP", impatient.show("MainPID"))
    eventually(lambda: int(impatient.show("NRestarts")) == restarts + 1, "systemd restarts it")
    assert impatient.complete(prompt="Hello", max_tokens=4)
    assert not set(left) & set(impatient.processes())
    assert "Watchdog timeout" in impatient.log()


@pytest.fixture
def configured(serving: Box) -> Iterator[Box]:
    """Whose configuration may be written; afterwards it is as it was."""
    yield serving
    serving.configure()
    serving.run("systemctl", "reload", "edge-rt.service")


def allowed_w(box: Box) -> float | None:
    with box.client() as http:
        return http.get("/edge/v1/budget").json()["budget"]["power_w"]


def test_a_reload_takes_a_new_budget_while_a_stream_goes_on(configured: Box) -> None:
    whole, daemon = configured.complete(**STREAM), configured.show("MainPID")
    with streaming(configured) as said:
        configured.configure(budget={"power_w": 999})
        configured.run("systemctl", "reload", "edge-rt.service")
        assert allowed_w(configured) == 999
        assert text(said()) == whole
    assert configured.show("MainPID") == daemon


def test_a_faulty_configuration_fails_the_reload_and_nothing_else(configured: Box) -> None:
    before, daemon = allowed_w(configured), configured.show("MainPID")
    configured.configure(budget={"power_w": "much"})
    reload = configured.run("systemctl", "reload", "edge-rt.service", check=False)
    assert reload.returncode != 0
    assert "budget.power_w" in configured.log()
    assert configured.show("ActiveState") == "active"
    assert (allowed_w(configured), configured.show("MainPID")) == (before, daemon)
