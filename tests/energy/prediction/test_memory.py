"""What was learnt holds after a restart, for the same files and calibrations alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_rt.config.schema import Config, Engine
from edge_rt.core.routing import RunConfig, Served
from edge_rt.energy.prediction.memory import FILE, PredictionStore
from edge_rt.routing.choice.history import Noted, Notes

SLOW = Served(64, 0, 32, 20.0, 40.0)
NOTES = Notes([Noted(RunConfig("tiny", 2, 0, "single", "f16"), 7.0)], 9.0)


async def learnt(kit: Any, folder: Path) -> tuple[float, float]:
    """Seconds as they are predicted before and after some answers, which are kept."""
    house = kit.house(state_folder=folder)
    forecaster, entry = house.routing.forecaster, house.get("tiny")
    before = forecaster.predict(entry, 2, 64, 0, 32).seconds
    for _ in range(5):
        house.routing.lessons._learn(entry, 2, SLOW)
    await house.routing.keep()
    return before, forecaster.predict(entry, 2, 64, 0, 32).seconds


def test_a_restart_forgets_nothing(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        before, after = await learnt(kit, tmp_path)
        assert after > 10 * before
        house = kit.house(state_folder=tmp_path)
        entry = house.get("tiny")
        again = house.routing.forecaster.predict(entry, 2, 64, 0, 32)
        assert again.seconds == pytest.approx(after)
        setting = house.routing.variants.setting(entry, 2)
        assert house.routing.ages.age_s(setting) is not None

    kit.run(run())


def test_of_another_file_nothing_was_learnt(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        before, _ = await learnt(kit, tmp_path)
        house = kit.house(state_folder=tmp_path)
        other = replace(house.get("tiny"), sha256="9" * 64)
        found = house.routing.forecaster.predict(other, 2, 64, 0, 32)
        assert found.seconds == pytest.approx(before)

    kit.run(run())


def test_of_another_form_nothing_was_learnt(kit: Any, tmp_path: Path) -> None:
    """What the CPU takes longer than its roofline tells nothing of a GPU."""

    async def run() -> None:
        moved = Config(engine=Engine(gpu_layers=9))
        usual = kit.house(moved).routing.forecaster.predict(kit.entry, 2, 64, 0, 32)
        await learnt(kit, tmp_path)
        house = kit.house(moved, state_folder=tmp_path)
        found = house.routing.forecaster.predict(house.get("tiny"), 2, 64, 0, 32)
        assert found.seconds == pytest.approx(usual.seconds)

    kit.run(run())


def test_what_was_not_learnt_again_is_kept_on(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        _, after = await learnt(kit, tmp_path)
        await kit.house(state_folder=tmp_path).routing.keep()
        house = kit.house(state_folder=tmp_path)
        found = house.routing.forecaster.predict(house.get("tiny"), 2, 64, 0, 32)
        assert found.seconds == pytest.approx(after)

    kit.run(run())


def test_notes_come_back(tmp_path: Path) -> None:
    memory = PredictionStore(tmp_path)
    memory.write(memory.content(NOTES))
    assert PredictionStore(tmp_path).notes == NOTES


@pytest.mark.parametrize("content", [b"", b"{}", b'{"models": 5}', b'{"other": []}', b"\xff"])
def test_a_file_of_no_use_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    memory = PredictionStore(tmp_path)
    assert memory.notes == Notes()
    memory.write(memory.content(NOTES))
    assert PredictionStore(tmp_path).notes == NOTES


def test_a_disk_that_refuses_does_no_harm(tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "state").write_bytes(b"a file")
    memory = PredictionStore(tmp_path / "state")
    memory.write(memory.content(NOTES))
    assert "cannot be written" in caplog.text
