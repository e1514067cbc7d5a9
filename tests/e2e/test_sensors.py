"""The files of the board come and go under the daemon; it serves on and says what it lacks."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

# pytest's importlib mode leaves helpers unfound.
sys.path.insert(0, str(Path(__file__).parents[1] / "sensors"))

from trees import Tree, agx_orin

RAILS = {"VDD_GPU_SOC": 7.6, "VDD_CPU_CV": 1.9, "VIN_SYS_5V0": 4.0, "VDDQ_VDD2_1V8AO": 1.14}

ZONES = {"cpu-thermal", "gpu-thermal", "cv0-thermal", "soc0-thermal", "tj-thermal"}
HEALTHY = {*RAILS, *ZONES}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = Tree(tmp_path_factory.mktemp("orin") / "board")
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
    """Which rails and zones have a value now."""
    report = board(daemon)
    kinds = ("power_w", "temp_c")
    return {c["name"] for c in report["channels"] if c["kind"] in kinds and c["value"] is not None}


def damaged(tree: Tree, content: bytes | None) -> dict[Path, bytes]:
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
