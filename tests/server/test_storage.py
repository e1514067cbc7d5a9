"""What cannot be kept is told by health and status, and so are damaged files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.logs import Trouble
from edge_rt.server.state_directory import StorageHealth


@pytest.fixture
def trouble() -> Trouble:
    return Trouble(logging.getLogger("test"), "sums are kept in memory")


def test_a_file_is_failing_for_as_long_as_its_trouble_lasts(
    trouble: Trouble, tmp_path: Path
) -> None:
    keeping = StorageHealth(tmp_path, {"ledger.db": trouble, "cache.db": None})
    assert (keeping.report().files, keeping.failing) == (["ledger.db"], {})
    trouble.met("the disk is full")
    assert keeping.report().failing == {"ledger.db": "sums are kept in memory: the disk is full"}
    trouble.over()
    assert keeping.report().failing == {}


def test_damaged_files_and_room_are_told(trouble: Trouble, tmp_path: Path) -> None:
    for name in ("a.db", "a.db.corrupt-5", "a.db.corrupt-5-wal", "a.db.corrupt-5-shm"):
        (tmp_path / name).touch()
    own = tmp_path / "simulated" / "raspberry-pi-5"
    own.mkdir(parents=True)
    (own / "ledger.db.corrupt-7").touch()
    report = StorageHealth(tmp_path, {}).report()
    assert report.aside == ["a.db.corrupt-5", "simulated/raspberry-pi-5/ledger.db.corrupt-7"]
    assert report.free_bytes is not None
    assert report.free_bytes > 0
    nowhere = StorageHealth(tmp_path / "nothing", {}).report()
    assert (nowhere.aside, nowhere.free_bytes) == ([], None)


def test_health_and_status_tell(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        assert "storage" not in await house.service.health()
        files = (await house.service.status())["storage"].files
        assert files == ["cache.db", "leakage.json"]
        house.front.heat.leakage.trouble.met("the disk is full")
        told = {"leakage.json": house.front.heat.leakage.trouble.told}
        proof = await house.service.health()
        assert (proof["status"], proof["storage"]) == ("ok", told)
        assert (await house.service.status())["storage"].failing == told

    kit.run(run())


def test_health_and_status_tell_what_is_wrong_with_the_supply(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        assert "supply" not in await house.service.health()
        house.governor_loop.faults.append("it is read late")
        assert (await house.service.health())["supply"] == ["it is read late"]
        problems = (await house.service.status())["problems"]
        assert [p.message for p in problems if p.code == "supply"] == ["it is read late"]

    kit.run(run())
