"""Calibrations that clients ask for: whether one may start, its progress and its result."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing

from edge_rt.core.errors import Unavailable
from edge_rt.core.reports.planning import Calibrated, CalibrateRequest, Progress, Refused
from edge_rt.energy.calibration.readiness import Unready
from edge_rt.energy.calibration.result import calibrated
from edge_rt.energy.calibration.session import Session, Tools
from edge_rt.energy.calibration.timing import FULL, QUICK, in_order
from edge_rt.models.directory import DEFAULT
from edge_rt.models.record import writers

Said = Progress | Calibrated | Refused


class Calibrator:
    """Measures what board and models do, with the board for itself."""

    def __init__(
        self,
        tools: Tools,
        hold: Callable[[str, float], AbstractContextManager[None]],
        cores: int,
    ) -> None:
        """`hold` reserves the board for so many seconds, or raises Unavailable.

        `cores` is the most threads that the engine may use.
        """
        self._tools, self._hold, self._cores = tools, hold, cores

    def report(self) -> Calibrated:
        """Return all calibrations of the present board and models."""
        forecaster, leakage = self._tools.forecaster, self._tools.leakage
        found = [
            c for entry in self._tools.models.entries() for c in forecaster.calibrations(entry)
        ]
        return calibrated(forecaster.board, found, leakage.fit, leakage.note)

    async def calibrate(self, ask: CalibrateRequest) -> AsyncGenerator[Said]:
        """Yield the progress, and at the end the result or the reason why there is none.

        Raises ModelNotFound, and EngineError where the engine fails. Closing the
        generator ends it; an incomplete model is not saved.
        """
        models = self._tools.models
        if ask.quick or ask.model is not None:
            entries = [models.writer(models.resolve(ask.model or DEFAULT))]
        else:
            entries = writers(models.entries()) or [models.writer(DEFAULT)]
        refusal = self._tools.readiness.obstacle()
        if refusal is not None:
            yield Refused(refusal)
            return
        how = QUICK if ask.quick else FULL
        session = Session(self._tools, how, entries, in_order(self._cores))
        try:
            with self._hold("a calibration", session.expected_s):
                async with aclosing(session.run(ask.force)) as said:
                    async for progress in said:
                        yield progress
        except (Unready, Unavailable) as error:
            yield Refused(str(error))
            return
        if session.saved:
            yield self.report()
        else:
            yield Refused("nothing could be calibrated; the daemon's log says why")
