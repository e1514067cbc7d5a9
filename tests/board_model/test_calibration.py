"""A calibration comes back as it was saved, and no file at all makes loading raise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from calibrated import TIMED, calibration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_rt.board_model.calibration import (
    ModelCalibration,
    Unusable,
    load_calibration,
    load_calibrations,
    save_calibration,
)
from edge_rt.board_model.roofline import Ceilings

SWEEP = Ceilings(flop_per_s=8e10, byte_per_s=1e10)
FULL = calibration(sweep=SWEEP)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_calibration(tmp_path / "calibrations", FULL)


@pytest.mark.parametrize("what", [FULL, calibration(draws=None)])
def test_it_comes_back_as_it_was_saved(tmp_path: Path, what: ModelCalibration) -> None:
    path = save_calibration(tmp_path, what)
    assert load_calibration(path) == what
    assert load_calibrations(tmp_path) == ([what], [])
    assert [p.name for p in tmp_path.iterdir()] == [what.file_name]  # and no draft is left


def test_a_new_one_takes_the_place_of_the_old_and_of_no_other(tmp_path: Path) -> None:
    for days, threads in ((0, 1), (0, 2), (1, 2)):
        save_calibration(tmp_path, calibration(days=days, threads=threads))
    found, _ = load_calibrations(tmp_path)
    assert found == [calibration(threads=1), calibration(days=1, threads=2)]


def test_how_the_model_was_loaded_is_told_apart(tmp_path: Path) -> None:
    ways = [(0, "f16"), (0, "q8_0/f16"), (9, "f16")]
    for layers, kv_type in ways:
        save_calibration(tmp_path, calibration(gpu_layers=layers, kv_type=kv_type))
    found, _ = load_calibrations(tmp_path)
    assert sorted((one.gpu_layers, one.kv_type) for one in found) == ways


def test_a_simulated_board_overwrites_nothing_of_the_real_one(tmp_path: Path) -> None:
    twin = msgspec.structs.replace(FULL, board=f"{FULL.board} (simulated)")
    paths = [save_calibration(tmp_path, one) for one in (FULL, twin)]
    assert {p.name.partition(FULL.sha256)[0] for p in paths} == {
        "raspberry-pi-5-",
        "raspberry-pi-5_simulated-",
    }
    found, _ = load_calibrations(tmp_path)
    assert sorted(found, key=lambda c: c.board) == [FULL, twin]


def test_a_draft_that_was_not_finished_is_no_calibration(tmp_path: Path, saved: Path) -> None:
    saved.with_name(f".{saved.name}.new").write_bytes(saved.read_bytes()[:100])
    assert load_calibrations(saved.parent) == ([FULL], [])


def test_what_is_not_there_is_none_at_all(tmp_path: Path) -> None:
    assert load_calibrations(tmp_path / "none") == ([], [])
    missing = load_calibration(tmp_path / "none.json")
    assert isinstance(missing, Unusable)
    assert "No such file" in missing.reason


def _set(path: str, value: object) -> bytes:
    """The full calibration with one value replaced."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(FULL))
    *parents, last = path.split(".")
    inner = document
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return msgspec.json.encode(document)


@pytest.mark.parametrize("path", ["denoised", "promise.worst_ratio"])
def test_what_older_files_have_besides_is_passed_over(saved: Path, path: str) -> None:
    saved.write_bytes(_set(path, 0.5))
    found = load_calibration(saved)
    assert isinstance(found, ModelCalibration)
    assert found == FULL


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("version", 1, "$.version"),
        ("version", None, "no calibration"),
        ("threads", 0, "threads"),
        ("gpu_layers", -1, "gpu_layers"),
        ("kv_type", None, "kv_type"),
        ("sha256", "short", "sha256"),
        ("calibrated_at", "yesterday", "calibrated_at"),
        ("calibrated_at", "2026-11-25T09:00:00", "calibrated_at"),
        ("version", 2, "$.version"),
        ("promise.token_s", -0.1, "token_s"),
        ("promise.step_s", -1.0, "step_s"),
        ("promise.step_s", None, "step_s"),  # as JSON writes not-a-number
        ("draws.quality", "guessed", "quality"),
        ("sweep.flop_per_s", 0.0, "flop_per_s"),
        ("error_ratio", "low", "error_ratio"),
    ],
)
def test_what_is_wrong_is_named(saved: Path, path: str, value: object, complaint: str) -> None:
    saved.write_bytes(_set(path, value))
    found = load_calibration(saved)
    assert isinstance(found, Unusable)
    assert found.path == saved
    assert complaint in found.reason
    assert "edge-rt calibrate" in found.reason


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_makes_loading_raise(saved: Path, data: st.DataObject) -> None:
    whole = msgspec.json.encode(FULL)
    at = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.binary(max_size=20))
    saved.write_bytes(whole[:at] + junk + whole[at + data.draw(st.integers(0, 50)) :])
    found = load_calibration(saved)
    assert isinstance(found, (ModelCalibration, Unusable))


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b'{"deep":' + b"[" * 100_000, b" " * (1 << 20) + b"{}"]
)
def test_no_rubbish_makes_loading_raise(saved: Path, content: bytes) -> None:
    saved.write_bytes(content)
    (found,) = load_calibrations(saved.parent)[1]
    assert found.path == saved


def test_a_directory_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    ((unusable,), none) = reversed(load_calibrations(tmp_path))
    assert not none
    assert "cannot be read" in unusable.reason


def test_a_runtime_that_cannot_be_is_refused_before_it_is_saved() -> None:
    with pytest.raises(ValueError, match="step_s"):
        calibration(promise=replace(TIMED, step_s=float("nan")))
