"""Predictions hold for the board and the files that are there, and for no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from calibrated import calibration

from edge_rt.board.profile import BoardChoice
from edge_rt.board.snapshot import BoardSnapshot, board_key
from edge_rt.board_model.calibration import ModelCalibration, save_calibration
from edge_rt.config.boards import board_dirs, check_boards
from edge_rt.config.paths import Paths
from edge_rt.config.schema import Engine
from edge_rt.core.routing import LoadConfig, Prediction, Served, Unpredicted
from edge_rt.energy.prediction.forecaster import Forecaster, shape_of
from edge_rt.models.record import ModelRecord


def felt_of(board: str | None, *, simulated: bool = False) -> BoardSnapshot:
    boards, _ = check_boards(board_dirs(Paths.detect()))
    found = None if board is None else boards[board]
    name = None if board is None else SimpleNamespace(id=board)
    chosen = BoardChoice(found, cast(Any, name))
    return cast(BoardSnapshot, SimpleNamespace(chosen=chosen, simulated=simulated))


@pytest.fixture
def entry(kit: Any) -> ModelRecord:
    return replace(kit.entry, sha256="ab" * 32, backend="llama")


class Place:
    """A forecaster, and the board that it is on."""

    def __init__(
        self,
        folder: Path,
        board: str | None = "raspberry-pi-5",
        engine: Engine = Engine(),  # noqa: B008 - it is frozen
    ) -> None:
        self.snapshot: BoardSnapshot | None = felt_of(board)
        self.idle_w: float | None = None
        self.engine = engine
        idle_w = lambda: self.idle_w  # noqa: E731
        self.forecaster = Forecaster(folder, engine, 4, lambda: self.snapshot, idle_w)

    def predict(
        self, entry: ModelRecord, threads: int = 1, prompt: int = 64, load: LoadConfig | None = None
    ) -> Prediction:
        found = self.forecaster.predict(entry, threads, prompt, 0, 32, 1.0, load)
        assert isinstance(found, Prediction)
        return found


def saved(folder: Path, **changes: Any) -> ModelCalibration:
    one = msgspec.structs.replace(calibration(), **changes)
    save_calibration(folder, one)
    return one


def test_a_saved_calibration_is_used(tmp_path: Path, entry: ModelRecord) -> None:
    one = saved(tmp_path)
    place = Place(tmp_path)
    assert place.forecaster.calibrations(entry) == [one]
    found = place.predict(entry)
    assert found.basis == "calibrated"
    assert found.prefill_s == pytest.approx(one.promise.prefill_s(64))


@pytest.mark.parametrize(
    "changes", [{"board": "raspberry-pi-4b"}, {"sha256": "cd" * 32}, {"backend": "other"}]
)
def test_one_of_something_else_is_not(
    tmp_path: Path, entry: ModelRecord, changes: dict[str, str]
) -> None:
    saved(tmp_path, **changes)
    place = Place(tmp_path)
    assert place.forecaster.calibrations(entry) == []
    assert place.predict(entry).basis == "roofline"


def test_a_simulated_board_is_another_board(tmp_path: Path, entry: ModelRecord) -> None:
    saved(tmp_path)
    place = Place(tmp_path)
    assert place.predict(entry).basis == "calibrated"
    place.snapshot = felt_of("raspberry-pi-5", simulated=True)
    assert place.predict(entry).basis == "roofline"
    keys = [board_key(felt_of(None)), board_key(None), board_key(place.snapshot)]
    assert keys == ["unknown", "unknown", "raspberry-pi-5 (simulated)"]


def test_the_profile_makes_the_roofline(tmp_path: Path, entry: ModelRecord) -> None:
    seconds = {
        board: Place(tmp_path, board).predict(entry, 4).seconds
        for board in ("raspberry-pi-5", "raspberry-pi-4b")
    }
    assert seconds["raspberry-pi-5"] < seconds["raspberry-pi-4b"]
    assert Place(tmp_path, "raspberry-pi-4b").predict(entry).energy_j is not None
    assert Place(tmp_path, None).predict(entry).energy_j is None


def test_new_calibrations_take_the_place_of_old_ones(tmp_path: Path, entry: ModelRecord) -> None:
    old = saved(tmp_path)
    place = Place(tmp_path)
    place.predict(entry)
    other = msgspec.structs.replace(old, threads=2)
    slower = msgspec.structs.replace(
        old, promise=replace(old.promise, step_s=10 * old.promise.step_s)
    )
    before = place.predict(entry).decode_s
    place.forecaster.take([slower, other])
    assert place.forecaster.calibrations(entry) == [slower, other]
    assert place.predict(entry).decode_s > 5 * before


def test_the_idle_power_of_now_counts(tmp_path: Path, entry: ModelRecord) -> None:
    saved(tmp_path)
    place = Place(tmp_path)
    calibrated = place.predict(entry)
    place.idle_w = 7.0
    now = place.predict(entry)
    assert now.energy_j == calibrated.energy_j
    assert (now.total_j or 0) == pytest.approx((now.energy_j or 0) + 7.0 * now.seconds)


def test_another_file_under_the_same_name_is_another_model(
    tmp_path: Path, entry: ModelRecord
) -> None:
    saved(tmp_path)
    place = Place(tmp_path)
    assert place.predict(entry).basis == "calibrated"
    assert place.predict(replace(entry, sha256="cd" * 32)).basis == "roofline"


def test_files_that_are_no_calibration_are_left_out(
    tmp_path: Path, entry: ModelRecord, caplog: pytest.LogCaptureFixture
) -> None:
    one = saved(tmp_path)
    (tmp_path / "bad.json").write_text("{}")
    assert Place(tmp_path).forecaster.calibrations(entry) == [one]
    assert "bad.json" in caplog.text


def test_the_shape_is_the_headers(kit: Any) -> None:
    shape = shape_of(kit.entry, Engine())
    summary = kit.entry.summary
    assert shape.kv_bytes(1) == summary.kv_per_token * 2  # heads of 16 do not fit Q8_0
    wide = replace(kit.entry, summary=msgspec.structs.replace(summary, head_dim_k=32))
    assert shape_of(wide, Engine()).kv_bytes_per_number < 2
    assert shape_of(wide, Engine(gpu_layers=9)).kv_bytes_per_number == 2


# --- how a model is loaded

F16, Q4, GPU, GPU_Q4 = (
    LoadConfig(0, "f16"),
    LoadConfig(0, "q4_0"),
    LoadConfig(9, "f16"),
    LoadConfig(9, "q4_0"),
)


@pytest.fixture
def wide(entry: ModelRecord) -> ModelRecord:
    """A model that may be loaded in four ways."""
    return replace(
        entry, summary=msgspec.structs.replace(entry.summary, head_dim_k=64, head_dim_v=64)
    )


def fourfold(folder: Path) -> Place:
    return Place(folder, engine=Engine(kv_type=["f16", "q4_0"], gpu_layers=[0, 9]))


def test_another_kv_type_goes_by_the_figures_of_the_calibrated_one(
    tmp_path: Path, wide: ModelRecord
) -> None:
    saved(tmp_path, kv_type="q8_0/f16")  # which is not among them any more
    place = fourfold(tmp_path)
    found = [place.predict(wide, load=load) for load in (None, F16, Q4)]
    assert found[0] == found[1] == found[2]
    assert found[0].basis == "calibrated"
    place.forecaster.learn(wide, 1, Served(64, 0, 32, 9.0, 9.0), Q4)
    assert place.predict(wide) == place.predict(wide, load=Q4) != found[0]


def test_another_offload_goes_by_its_own_figures(tmp_path: Path, wide: ModelRecord) -> None:
    one = saved(tmp_path, kv_type="f16")
    slower = replace(one.promise, step_s=3 * one.promise.step_s)
    saved(tmp_path, kv_type="f16", gpu_layers=9, promise=slower)
    place = fourfold(tmp_path)
    usual, other = place.predict(wide), place.predict(wide, load=GPU)
    assert other.decode_s > 2 * usual.decode_s
    for _ in range(12):
        place.forecaster.learn(wide, 1, Served(64, 0, 32, 9.0, 9.0), GPU)
    assert place.predict(wide) == usual
    assert place.predict(wide, load=GPU).decode_s > 2 * other.decode_s


def test_another_offload_is_not_predicted_before_it_is_calibrated(
    tmp_path: Path, wide: ModelRecord
) -> None:
    place = fourfold(tmp_path)
    assert place.predict(wide).basis == place.predict(wide, load=Q4).basis == "roofline"
    for load in (GPU, GPU_Q4):
        found = place.forecaster.predict(wide, 1, 64, 0, 32, 1.0, load)
        assert isinstance(found, Unpredicted)
        assert "9 layers on the GPU" in found.reason
    one = saved(tmp_path, gpu_layers=9, kv_type="q4_0")
    place.forecaster.take([one])
    for load in (GPU, GPU_Q4):
        assert place.predict(wide, load=load).basis == "calibrated"
    assert place.predict(wide).basis == "roofline"


def test_a_mixture_of_experts_is_predicted_by_those_that_a_token_uses(
    tmp_path: Path, entry: ModelRecord
) -> None:
    """30 GB that a token reads 3 of are as fast as 3 GB, and need room for 30."""

    def of(**sizes: int) -> ModelRecord:
        summary = msgspec.structs.replace(entry.summary, **sizes)
        return replace(entry, id=f"m{len(sizes)}", summary=summary)

    mixed = of(
        parameters=30 * 10**9,
        file_bytes=18 * 10**9,
        idle_parameters=27 * 10**9,
        idle_bytes=16 * 10**9,
    )
    small = of(parameters=3 * 10**9, file_bytes=2 * 10**9)
    place = Place(tmp_path)
    assert place.predict(mixed) == place.predict(small)
    assert place.predict(mixed).seconds < 0.2 * place.predict(of(**_whole(mixed))).seconds


def _whole(entry: ModelRecord) -> dict[str, int]:
    summary = entry.summary
    return {"parameters": summary.parameters, "file_bytes": summary.file_bytes, "vocab": 600}
