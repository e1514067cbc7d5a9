"""The files of the board come and go under the daemon; it serves on and says what it lacks."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from trees import agx_orin

from edge_rt.testing.board import FakeBoard

RAILS = {"VDD_GPU_SOC": 7.6, "VDD_CPU_CV": 1.9, "VIN_SYS_5V0": 4.0, "VDDQ_VDD2_1V8AO": 1.14}

ZONES = {"cpu-thermal", "gpu-thermal", "cv0-thermal", "soc0-thermal", "tj-thermal"}
HEALTHY = {*RAILS, *ZONES}
HANGING = """
import os, runpy, sys
from edge_rt.board.readers import sysfs

def pread(fd, size, offset):
    gate = os.readlink(f"/proc/self/fd/{fd}") + ".gate"
    if os.path.exists(gate):
        with open(gate) as file:  # a FIFO: until somebody opens it for writing
            file.read()
    return os.pread(fd, size, offset)

object.__setattr__(sysfs.FILE_IO, "pread", pread)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = FakeBoard(tmp_path_factory.mktemp("orin") / "board")
    agx_orin(tree)
    return tree


@pytest.fixture(scope="module")
def daemon(make_daemon, tree, tools):
    daemon = make_daemon(board="jetson-agx-orin-64gb", sensors={"root": str(tree.proc.parent)})
    tools.eventually(lambda: healthy(daemon) >= HEALTHY, "everything is read")
    yield daemon
    daemon.close()


def board(daemon):
    return daemon.http.get("/edge/v1/board").json()


def channels(daemon, kind):
    return {c["name"]: c for c in board(daemon)["channels"] if c["kind"] == kind}


def healthy(daemon):
    """Return which rails and zones have a value now."""
    report = board(daemon)
    kinds = ("power_w", "temp_c")
    return {c["name"] for c in report["channels"] if c["kind"] in kinds and c["value"] is not None}


def damaged(tree: FakeBoard, content: bytes | None) -> dict[Path, bytes]:
    """Replace what all rails and zones are read from, or remove it; what was there."""
    paths = [*tree.sysfs.rglob("temp"), *tree.sysfs.rglob("in*_input")]
    paths += tree.sysfs.rglob("curr*_input")
    before = {path: path.read_bytes() for path in paths if path.is_file()}
    assert len(before) > 10
    for path in before:
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
    return before


@pytest.mark.parametrize(
    "content", [None, b"", b"\xffgarbage", b"9" * 99], ids=["gone", "empty", "garbage", "huge"]
)
def test_what_is_damaged_is_stale_with_its_reason_and_recovers(daemon, tree, tools, content):
    before = damaged(tree, content)
    try:
        tools.eventually(lambda: not healthy(daemon) & HEALTHY, "all of it is missed")
        for channel in channels(daemon, "power_w").values():
            assert channel["value"] is None
            assert channel["error"]
            assert channel["last"] == pytest.approx(RAILS[channel["name"]])
        report = board(daemon)
        assert report["supply"]["power_w"] is None
        assert daemon.status()["board"]["power_w"] is None
        text = daemon.metrics()
        assert "edge_rt_rail_power_watts{" not in text
        answer = daemon.post({"prompt": "Rain", "max_tokens": 40, "ignore_eos": True})
        edge = answer.json()["edge"]
        assert (edge["energy_j"], edge["energy_quality"]) == (None, "unresolved")
    finally:
        for path, good in before.items():
            path.write_bytes(good)
    tools.eventually(lambda: healthy(daemon) >= HEALTHY, "all of it is back")
    watts = channels(daemon, "power_w")
    assert {name: c["value"] for name, c in watts.items()} == pytest.approx(RAILS)


def test_the_board_may_be_pulled_and_put_back(daemon, tree, tools):
    away = shutil.copytree(tree.sysfs, tree.sysfs.with_name("away"), symlinks=True)
    shutil.rmtree(tree.sysfs)
    try:
        tools.eventually(lambda: not healthy(daemon) & HEALTHY, "all of it is missed")
        assert daemon.post({"prompt": "Rain", "max_tokens": 2}).status_code == 200
    finally:
        away.rename(tree.sysfs)
    tools.eventually(lambda: healthy(daemon) >= HEALTHY, "all of it is back")


def test_the_total_counts_no_rail_twice(daemon):
    supply = board(daemon)["supply"]
    assert supply["rails"] == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]
    assert supply["power_w"] == pytest.approx(13.5)


def test_the_daemon_starts_without_any_board(own_daemon, tmp_path):
    root = tmp_path / "nothing"
    root.mkdir()
    daemon = own_daemon(sensors={"root": str(root)})
    report = board(daemon)
    assert (report["board"], report["supply"], report["temp_c"]) == (None, None, None)
    edge = daemon.post({"prompt": "Rain", "max_tokens": 4}).json()["edge"]
    assert (edge["energy_j"], edge["energy_quality"]) == (None, "unresolved")
    assert (edge["power_w"], edge["temp_c"]) == (None, None)
    shutil.rmtree(root)
    assert daemon.post({"prompt": "Rain", "max_tokens": 4}).status_code == 200


def zone(tree: FakeBoard, name: str) -> Path:
    types = tree.sysfs.glob("class/thermal/thermal_zone*/type")
    return next(p for p in types if p.read_text().strip() == name).with_name("temp").resolve()


def sensors_of(daemon):
    answer = daemon.http.get("/health")
    assert answer.status_code == 200, answer.text
    return answer.json().get("sensors", {})


def ends(daemon) -> bool:
    daemon.process.terminate()
    return daemon.process.wait(10) == 0


def test_a_zone_that_is_a_fifo_is_named_and_no_other_sensor_is_lost(own_daemon, tmp_path, tools):
    """At the start, and later; the regular file that takes its place is read."""
    tree = FakeBoard(tmp_path / "board")
    agx_orin(tree)
    temps = zone(tree, "cpu-thermal"), zone(tree, "gpu-thermal")
    temps[0].unlink()
    os.mkfifo(temps[0])
    daemon = own_daemon(board="jetson-agx-orin-64gb", sensors={"root": str(tree.proc.parent)})
    others = HEALTHY - {"cpu-thermal"}
    tools.eventually(lambda: healthy(daemon) == others, "all but the FIFO is read")
    assert str(temps[0]) in sensors_of(daemon)["cpu-thermal"]
    temps[1].unlink()
    os.mkfifo(temps[1])
    tools.eventually(lambda: "gpu-thermal" in sensors_of(daemon), "the second is named")
    assert healthy(daemon) == others - {"gpu-thermal"}
    assert daemon.post({"prompt": "Rain", "max_tokens": 2}).status_code == 200
    for temp in temps:
        temp.unlink()
        temp.write_text("40000\n")
    tools.eventually(lambda: healthy(daemon) == HEALTHY, "both are back")
    assert sensors_of(daemon) == {}
    assert ends(daemon)


@pytest.mark.parametrize("when", ["start", "later"])
def test_a_sensor_that_blocks_is_named_and_the_daemon_answers_and_ends(
    own_daemon, tmp_path, tools, when
):
    """As a hung bus does: read(2) does not return. No other sensor is lost."""
    tree = FakeBoard(tmp_path / "board")
    agx_orin(tree)
    temp = zone(tree, "cpu-thermal")
    gate = temp.with_name("temp.gate")
    if when == "start":
        os.mkfifo(gate)
    daemon = own_daemon(
        through=[sys.executable, "-c", HANGING],
        board="jetson-agx-orin-64gb",
        sensors={"root": str(tree.proc.parent)},
    )
    if when == "later":
        tools.eventually(lambda: healthy(daemon) == HEALTHY, "everything is read")
        os.mkfifo(gate)
    tools.eventually(lambda: "cpu-thermal" in sensors_of(daemon), "the zone is left out")
    told = sensors_of(daemon)
    assert set(told) == {"cpu-thermal"}
    assert str(temp) in told["cpu-thermal"]
    problems = [f"{name}: {reason}" for name, reason in told.items()]
    assert [p["message"] for p in daemon.status()["problems"] if p["code"] == "sensor"] == problems
    assert "does not return" in daemon.run("status", "--json").stdout
    tools.eventually(lambda: healthy(daemon) == HEALTHY - {"cpu-thermal"}, "all else is read on")
    assert daemon.post({"prompt": "Rain", "max_tokens": 2}).status_code == 200
    shown = daemon.run("sensors")
    assert "does not return" in shown.stdout
    with gate.open("w"):
        gate.unlink()
    tools.eventually(lambda: healthy(daemon) == HEALTHY, "the zone is back")
    assert sensors_of(daemon) == {}
    os.mkfifo(gate)
    tools.eventually(lambda: "cpu-thermal" in sensors_of(daemon), "it is left out again")
    assert ends(daemon)
