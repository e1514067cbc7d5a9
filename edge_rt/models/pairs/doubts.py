"""The calibrations of models' doubt that were made here."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_rt.models.pairs.doubt import Calibration
from edge_rt.models.pairs.tuned import TunedFile

_HEAD = "Written by edge-rt doubt; delete an entry to forget what was found of a model."


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    doubts: list[Calibration] = []


def _read(document: object) -> list[Calibration]:
    return msgspec.convert(document, _File).doubts


class Doubts:
    """One for a model at most. For a file that is no use all raise ConfigError; see TunedFile."""

    def __init__(self, root: Path) -> None:
        """`root` is the store's folder."""
        self._tuned = TunedFile(root, "doubts", _read, lambda one: one.model, _HEAD)

    def of(self, model: str, sha256: str) -> Calibration | None:
        """That of a model with that content; None: it was not calibrated, or had another one."""
        found = (one for one in self._tuned.items() if (one.model, one.sha256) == (model, sha256))
        return next(found, None)

    def write(self, calibration: Calibration) -> Path:
        """Keep it in the place of the model's last; gives the file. Raises as TunedFile.put."""
        return self._tuned.put(calibration)
