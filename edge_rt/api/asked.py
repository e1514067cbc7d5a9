"""Requests as they were read, and those among them whose answers were looked for last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from edge_rt.api.kept import Place
from edge_rt.core.chat_format import Reading
from edge_rt.core.requests import Identity
from edge_rt.models.answers.parts import AnswerReader

if TYPE_CHECKING:
    from edge_rt.api.middleware.context import Head
    from edge_rt.api.openai.answers import Dialect
    from edge_rt.api.run import Told

RequestT = TypeVar("RequestT")
MakeReader = Callable[[], AnswerReader]
Form = Callable[["Head", Reading | None, MakeReader | None], "Dialect"]
"""Makes the dialect of answers with that head, whose text is read so, by such readers.

Without one all of the text is content.
"""

MOST = 64  # requests that are remembered
LONGEST = 8 * 1024  # bytes of the body of one


class Sent(NamedTuple):
    """What a client sent to an endpoint: all that the meaning of a request depends on."""

    endpoint: str
    client: str | None
    body: bytes


@dataclass
class CheckedRequest(Generic[RequestT]):
    """A request that was read and checked, and where its answer was looked for last.

    `sent` None: it is another dialect's, translated, and `form` makes that dialect. `place` holds
    as long as `models` may answer, and `told` is the answer from there if that says the same each
    time.
    """

    request: RequestT
    warnings: Sequence[str] = ()
    sent: Sent | None = None
    form: Form | None = None
    models: Sequence[Identity] | None = None
    place: Place | None = None
    told: Told | None = None


class RecentRequests:
    """Holds the requests whose answers were looked for last.

    A program that asks the same again sends the same bytes, and they are not read again.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[Sent, CheckedRequest[Any]] = OrderedDict()

    def get(self, sent: Sent) -> CheckedRequest[Any] | None:
        """Return the request that was sent like this, if it is remembered."""
        known = self._known.get(sent)
        if known is not None:
            self._known.move_to_end(sent)
        return known

    def keep(self, asked: CheckedRequest[Any]) -> None:
        """Remember a request, unless it is translated or its body is long."""
        if asked.sent is None or len(asked.sent.body) > LONGEST:
            return
        self._known[asked.sent] = asked
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def clear(self) -> None:
        self._known.clear()
