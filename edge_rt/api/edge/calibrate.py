"""POST /edge/v1/calibrate and GET /edge/v1/calibration."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.types import Receive, Scope, Send

from edge_rt.api.edge.told import tell
from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.document import read_document
from edge_rt.api.middleware.query import whole_numbers
from edge_rt.api.middleware.respond import send_json
from edge_rt.core.reports.planning import CalibrationAsk


class CalibrateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body; see CalibrationAsk."""

    quick: bool = False
    model: Annotated[str, Meta(min_length=1)] | None = None
    force: bool = False


_DECODER = msgspec.json.Decoder(CalibrateRequest)


class Calibrate:
    """Calibrates while the client listens, and tells where that stands; it ends with the client."""

    def __init__(self, context: Context) -> None:
        self._context, self._service = context, context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised."""
        request = await read_document(self._context, scope, receive, _DECODER)
        ask = CalibrationAsk(quick=request.quick, model=request.model, force=request.force)
        await tell(scope, receive, send, self._service.calibrate(ask))


class Calibration:
    """Shows what was calibrated."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError for any query, as there is nothing to ask."""
        whole_numbers(scope)
        await send_json(send, self._service.calibration())
