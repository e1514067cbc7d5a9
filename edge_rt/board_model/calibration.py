"""The saved calibration: a model's runtime and watts on the board, and what the board reached."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_rt.board_model.roofline import Ceilings
from edge_rt.board_model.runtime import Runtime
from edge_rt.board_model.watts import Watts
from edge_rt.core.files import (
    NewerFile,
    Sha256,
    decode_kept,
    plain_name,
    read_regular,
    replace_file,
)

VERSION = 3
FOLDER = "calibrations"  # in the state directory
_MOST_BYTES = 1 << 20  # of a file: real ones have a few thousand

Count = Annotated[int, Meta(ge=1)]
Least = Annotated[float, Meta(ge=0)]
Text = Annotated[str, Meta(min_length=1)]


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything saved; keys that later programs have added are passed over."""


class PhasePowers(_Saved, frozen=True):
    """The whole board's mean power while idle, reading a prompt and decoding.

    `error_ratio` is the median relative error of the runs' joules, by these and the runtime.
    """

    idle_w: Least
    prefill_w: Least
    decode_w: Least
    quality: Literal["measured", "modelled"]
    error_ratio: Least | None = None

    @property
    def watts(self) -> Watts:
        """The power of each phase as an addition to idle."""
        return Watts.of_totals(self.idle_w, self.prefill_w, self.decode_w)


class ModelCalibration(_Saved, frozen=True, kw_only=True):
    """One model on one board with one backend, loaded in one way, and one number of threads."""

    version: Literal[3] = VERSION
    board: Text
    model: Text
    sha256: Sha256  # of the model's file
    backend: Text
    threads: Count
    gpu_layers: Annotated[int, Meta(ge=0)]
    kv_type: Text  # the backend's word for how it keeps keys and values
    calibrated_at: Annotated[datetime, Meta(tz=True)]
    promise: Runtime
    error_ratio: Least  # the median relative error of `promise` over the runs
    draws: PhasePowers | None = None  # None: power could not be read
    sweep: Ceilings | None = None  # what the model reached; see `roofline.reached`

    @property
    def file_name(self) -> str:
        """Return a file name that is unique to this model, board, load and thread count."""
        board, backend = plain_name(self.board), plain_name(self.backend)
        load = f"{self.gpu_layers}-{plain_name(self.kv_type)}"
        return f"{board}-{self.sha256}-{backend}-{load}-{self.threads}.json"


@dataclass(frozen=True)
class Unusable:
    """A file that holds no calibration, and why."""

    path: Path
    reason: str
    newer: bool = False  # it is of a later version, and of use to that


def save_calibration(folder: Path, calibration: ModelCalibration) -> Path:
    """Write it so that after a crash either the old file is there or the new; gives its path.

    One of a newer edge_rt with that name stays. Raises OSError where the disk refuses.
    """
    path = folder / calibration.file_name
    found = load_calibration(path)
    if isinstance(found, Unusable) and found.newer:
        path = path.with_suffix(f".{VERSION}.json")
    replace_file(path, msgspec.json.format(msgspec.json.encode(calibration), indent=1))
    return path


def load_calibration(path: Path) -> ModelCalibration | Unusable:
    """Read one calibration; return the reason where `path` holds none, and never raise."""
    try:
        return decode_kept(read_regular(path, _MOST_BYTES), ModelCalibration, VERSION)
    except NewerFile as error:
        return Unusable(path, str(error), newer=True)
    except OSError as error:
        return Unusable(path, f"cannot be read: {error.strerror or error}")
    except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
        return Unusable(path, f"holds no calibration ({error}): run edge-rt calibrate again")


def load_calibrations(folder: Path) -> tuple[list[ModelCalibration], list[Unusable]]:
    """Return all that lie in `folder`, in the order of their names; none if there is no folder."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        paths = []
    except OSError as error:
        return [], [Unusable(folder, f"cannot be read: {error.strerror or error}")]
    found = [load_calibration(path) for path in paths]
    usable = [one for one in found if isinstance(one, ModelCalibration)]
    return usable, [one for one in found if isinstance(one, Unusable)]
