"""What was learnt of predictions and choices, kept over a restart."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from edge_rt.core.files import replace_file
from edge_rt.core.logs import Trouble
from edge_rt.core.routing import LoadConfig
from edge_rt.energy.calibration.record import ModelCalibration
from edge_rt.energy.prediction.history import LearntFactors
from edge_rt.energy.prediction.teams import LearntTeam
from edge_rt.models.record import ModelRecord
from edge_rt.routing.choice.history import Notes

log = logging.getLogger(__name__)

FILE = "learnt.json"
KEEP_S = 300.0  # between two times that it is written
_MOST_MODELS = 64  # those learnt of last stay


class Of(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The factors of a model, with the file, load, board and calibrations that they rest on."""

    model: str
    sha256: str
    form: LoadConfig
    board: str
    calibrated: list[str]
    learnt: list[LearntFactors]

    def fits(
        self,
        entry: ModelRecord,
        form: LoadConfig,
        board: str,
        calibrations: Iterable[ModelCalibration],
    ) -> bool:
        """Whether the factors rest on just these."""
        now = entry.id, entry.sha256, form, board, _dates(calibrations)
        return now == (self.model, self.sha256, self.form, self.board, self.calibrated)


class OfTeams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was learnt of models that answer together on one board."""

    board: str = ""
    learnt: list[LearntTeam] = []


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    """What the file holds."""

    models: list[Of] = []
    notes: Notes = Notes()
    teams: OfTeams = OfTeams()
    mask_waits: dict[str, list[float]] = {}


class PredictionStore:
    """The file, read once and written again and again."""

    def __init__(self, state: Path) -> None:
        """`state` is the folder that it lies in."""
        self._path = state / FILE
        self.trouble = Trouble(log, f"{self._path} cannot be written")
        kept = self._load()
        self.notes = kept.notes
        self._models = {of.model: of for of in kept.models}
        self._teams = kept.teams
        self.mask_waits = kept.mask_waits  # seconds a token, by the sha256 of a model
        self._written: bytes | None = None

    def recall(
        self,
        entry: ModelRecord,
        form: LoadConfig,
        board: str,
        calibrations: Sequence[ModelCalibration],
    ) -> list[LearntFactors]:
        """Return the factors from before the restart, if they still apply."""
        of = self._models.get(entry.id)
        return of.learnt if of is not None and of.fits(entry, form, board, calibrations) else []

    def take(
        self,
        entry: ModelRecord,
        form: LoadConfig,
        board: str,
        calibrations: Iterable[ModelCalibration],
        learnt: list[LearntFactors],
    ) -> None:
        """Keep the factors of a model that is loaded in `form`."""
        if learnt:
            self._models.pop(entry.id, None)
            dates = _dates(calibrations)
            self._models[entry.id] = Of(entry.id, entry.sha256, form, board, dates, learnt)

    def recall_teams(self, board: str) -> list[LearntTeam]:
        """Return the factors of models that answer together, from before the restart."""
        return self._teams.learnt if self._teams.board == board else []

    def take_teams(self, board: str, learnt: list[LearntTeam]) -> None:
        """Keep the factors of models that answer together."""
        if learnt:
            self._teams = OfTeams(board, learnt)

    def content(self, notes: Notes) -> bytes:
        """Return the content of the file."""
        models = list(self._models.values())[-_MOST_MODELS:]
        return msgspec.json.encode(_Kept(models, notes, self._teams, self.mask_waits))

    def write(self, content: bytes) -> None:
        """Write `content` to the disk, if it has changed."""
        if content == self._written:
            return
        try:
            replace_file(self._path, content)
        except OSError as error:
            self.trouble.met(error.strerror or error)
        else:
            self._written = content
            self.trouble.over()

    def _load(self) -> _Kept:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except (FileNotFoundError, NotADirectoryError):
            return _Kept()
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s is of no use and begun anew: %s", self._path, error)
            return _Kept()


def _dates(calibrations: Iterable[ModelCalibration]) -> list[str]:
    return sorted(f"{c.threads} {c.calibrated_at.isoformat()}" for c in calibrations)
