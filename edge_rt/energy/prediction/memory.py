"""What was learnt of predictions, choices and the waits for masks, kept over a restart."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from edge_rt.core.files import NewerFile, decode_kept, read_regular, replace_file
from edge_rt.core.logs import Trouble
from edge_rt.core.routing import LoadConfig, Prediction, Served, Unpredicted
from edge_rt.energy.calibration.record import ModelCalibration
from edge_rt.energy.prediction.history import KEPT, PredictionHistory, tidy
from edge_rt.energy.prediction.together import Teamwork, scaled
from edge_rt.models.record import ModelRecord
from edge_rt.routing.choice.history import Notes

log = logging.getLogger(__name__)

FILE = "learnt.json"
KEEP_S = 300.0  # between two times that it is written
_MOST_MODELS = 64  # those learnt of last stay


class Team(NamedTuple):
    """Models by their names, and how they answer.

    Turns are taken as is set: by the `share` asked of the large one or by a `threshold`, after the
    `first` tokens.
    """

    large: str
    small: str | None
    mode: str
    share: float | None = None
    threshold: float | None = None
    first: int = 0


class LearntTeam(msgspec.Struct, kw_only=True):
    """What was learnt of one team, as it is kept over a restart; see PredictionHistory."""

    team: Team
    work: list[Teamwork] = []
    seconds: list[float] = []
    energy: list[float] = []
    missed_s: list[float] = []
    missed_j: list[float] = []

    def __post_init__(self) -> None:
        tidy((self.seconds, self.energy), (self.missed_s, self.missed_j))


class Of(msgspec.Struct, frozen=True):
    """The factors of a model, with the file, load, board and calibrations that they rest on."""

    model: str
    sha256: str
    load: LoadConfig = msgspec.field(name="form")
    board: str
    calibrated: list[str]
    learnt: list[PredictionHistory]

    def fits(
        self,
        entry: ModelRecord,
        load: LoadConfig,
        board: str,
        calibrations: Iterable[ModelCalibration],
    ) -> bool:
        """Whether the factors rest on just these."""
        now = entry.id, entry.sha256, load, board, _dates(calibrations)
        return now == (self.model, self.sha256, self.load, self.board, self.calibrated)


class OfTeams(msgspec.Struct, frozen=True):
    """What was learnt of models that answer together on one board."""

    board: str = ""
    learnt: list[LearntTeam] = []


class _Kept(msgspec.Struct):
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
        self._newer = False
        kept = self._load()
        self.notes = kept.notes
        self._models = {of.model: of for of in kept.models}
        self._teams = kept.teams
        self.mask_waits = kept.mask_waits  # seconds a token, by the sha256 of a model
        self._written: bytes | None = None

    def recall(
        self,
        entry: ModelRecord,
        load: LoadConfig,
        board: str,
        calibrations: Sequence[ModelCalibration],
    ) -> list[PredictionHistory]:
        """Return the factors from before the restart, if they still apply."""
        of = self._models.get(entry.id)
        return of.learnt if of is not None and of.fits(entry, load, board, calibrations) else []

    def take(
        self,
        entry: ModelRecord,
        load: LoadConfig,
        board: str,
        calibrations: Iterable[ModelCalibration],
        learnt: list[PredictionHistory],
    ) -> None:
        """Keep the factors of a model that is loaded in `load`."""
        if learnt:
            self._models.pop(entry.id, None)
            dates = _dates(calibrations)
            self._models[entry.id] = Of(entry.id, entry.sha256, load, board, dates, learnt)

    def recall_teams(self, board: str) -> list[LearntTeam]:
        """Return the factors of models that answer together, from before the restart."""
        return self._teams.learnt if self._teams.board == board else []

    def take_teams(self, board: str, learnt: list[LearntTeam]) -> None:
        """Keep the factors of models that answer together."""
        if learnt:
            self._teams = OfTeams(board, learnt)

    def content(self, notes: Notes) -> bytes:
        models = list(self._models.values())[-_MOST_MODELS:]
        return msgspec.json.encode(_Kept(models, notes, self._teams, self.mask_waits))

    def write(self, content: bytes) -> None:
        """Write `content` to the disk, if it has changed."""
        if self._newer or content == self._written:
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
            return decode_kept(read_regular(self._path), _Kept)
        except NewerFile as error:
            self._newer = True
            self.trouble.met(error)
            return _Kept()
        except (FileNotFoundError, NotADirectoryError):
            return _Kept()
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s is of no use and begun anew: %s", self._path, error)
            return _Kept()


def _dates(calibrations: Iterable[ModelCalibration]) -> list[str]:
    return sorted(f"{c.threads} {c.calibrated_at.isoformat()}" for c in calibrations)


class MaskWaits:
    """The median wait for a token, by model, of its latest answers under any constraint.

    Masks are mostly computed beside a pass, so that most of their time costs no waiting.
    """

    def __init__(self, memory: PredictionStore) -> None:
        self._memory = memory
        self._waits: dict[str, deque[float]] = {
            model: deque(waits, maxlen=KEPT) for model, waits in memory.mask_waits.items()
        }

    def learn(self, entry: ModelRecord, served: Served) -> Served:
        """Take what an answer waited, and return what it would have taken without.

        Joules are those of its mean power.
        """
        if not served.mask_wait_s or served.completion_tokens < 1:
            return served
        waits = self._waits.setdefault(entry.sha256, deque(maxlen=KEPT))
        waits.append(served.mask_wait_s / served.completion_tokens)
        decode_s = max(0.0, served.decode_s - served.mask_wait_s)
        whole_s, energy_j = served.prefill_s + served.decode_s, served.energy_j
        if energy_j is not None and whole_s > 0.0:
            energy_j *= (served.prefill_s + decode_s) / whole_s
        return replace(served, decode_s=decode_s, energy_j=energy_j, mask_wait_s=0.0)

    def on(
        self, found: Prediction | Unpredicted, entry: ModelRecord, tokens: int
    ) -> Prediction | Unpredicted:
        """Return a prediction for `tokens` of a free answer with what they wait under a constraint.

        Nothing is added for a model that has not answered under any yet.
        """
        if isinstance(found, Unpredicted):
            return found
        wait_s = tokens * median(self._waits.get(entry.sha256, (0.0,)))
        computing_s = found.prefill_s + found.decode_s
        more = 1.0 + wait_s / computing_s if computing_s > 0.0 else 1.0
        longer = scaled(found, more, more)
        decode_s = found.decode_s + wait_s
        return replace(longer, prefill_s=found.prefill_s, decode_s=decode_s, mask_wait_s=wait_s)

    def remember(self) -> None:
        self._memory.mask_waits = {model: list(waits) for model, waits in self._waits.items()}
