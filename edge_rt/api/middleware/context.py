"""What every endpoint shares, and what is known about one exchange while it lasts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import Scope

from edge_rt.api.caching import Caching
from edge_rt.api.edge.marking import Marking
from edge_rt.api.meters import Meters
from edge_rt.api.middleware.access import Rights
from edge_rt.api.middleware.clients import Clients
from edge_rt.api.service import Service
from edge_rt.config.schema import Requests
from edge_rt.core.errors import Unavailable
from edge_rt.core.requests import ModelCard
from edge_rt.decoding.params import CheckerSpec

RETRY_S = 2.0


class BodyQuota:
    """Counts the bytes of the bodies that requests have sent and are not done with."""

    def __init__(self, most: int) -> None:
        """So many bytes of all requests at once."""
        self.held = 0
        self._most = most

    def take(self, count: int, *, force: bool = False) -> None:
        """Hold so many more; raises Unavailable where that would be too many, unless by `force`."""
        if not force and self.held + count > self._most:
            raise Unavailable(
                "The bodies of requests under way, and what they are decoded to, come to the "
                f"{self._most} bytes that may be held at once (requests.bodies_bytes): "
                "try again later.",
                retry_after_s=RETRY_S,
                code="bodies",
            )
        self.held += count

    def give_back(self, count: int) -> None:
        """Hold so many less."""
        self.held -= count


_KEY = "edge_rt.exchange"


@dataclass(frozen=True)
class Context:
    """The daemon behind the API, what requests may ask for, and the sources of time and of ids."""

    service: Service
    requests: Requests
    version: str
    meters: Meters
    caching: Caching
    marking: Marking
    clients: Clients
    checkers: Mapping[str, CheckerSpec]  # by name
    clock: Callable[[], float]  # Unix seconds
    monotonic: Callable[[], float]  # seconds
    new_id: Callable[[], str]


@dataclass(frozen=True)
class Head:
    """What all documents of one answer have in common."""

    id: str
    created: int
    model: str
    system_fingerprint: str


@dataclass
class Exchange:
    """One request and its response, for the metrics, the cache and the limits."""

    arrived: float  # monotonic seconds
    intake: BodyQuota
    endpoint: str = "other"
    model: str = ""
    client: str | None = None  # who asks, where the connection tells
    rights: Rights = Rights()  # noqa: RUF009 - frozen
    status: int = 0  # 0: nothing sent yet
    warnings: list[str] = field(default_factory=list[str])  # each an X-Edge-Warning header
    _held: int = 0  # bytes

    def hold(self, count: int, *, needed: bool = False) -> None:
        """Count so many bytes of the body, until it is closed; raises Unavailable.

        Bytes that a complete request has `needed` are refused only while other requests hold some.
        """
        alone = self.intake.held == self._held
        self.intake.take(count, force=needed and alone)
        self._held += count

    def close(self) -> None:
        """The request is done."""
        self.intake.give_back(self._held)
        self._held = 0


def open_exchange(scope: Scope, arrived: float, intake: BodyQuota) -> Exchange:
    """Begin the exchange of `scope`, to be closed; its body is counted by `intake`."""
    scope[_KEY] = exchange = Exchange(arrived, intake)
    return exchange


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that `open_exchange` began."""
    exchange: Exchange = scope[_KEY]
    return exchange


def new_head(context: Context, card: ModelCard, id: str) -> Head:
    """The head of a new answer."""
    return Head(
        id=id,
        created=int(context.clock()),
        model=card.id,
        system_fingerprint=_fingerprint(context.version, card),
    )


def _fingerprint(version: str, card: ModelCard) -> str:
    """Changes with the program and the model's file."""
    what = f"{version} {card.backend} {card.sha256}"
    return f"fp_{hashlib.sha256(what.encode()).hexdigest()[:10]}"
