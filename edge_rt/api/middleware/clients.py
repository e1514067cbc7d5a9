"""How much one client may have the daemon do at once, and in a minute."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager

from edge_rt.core.errors import Unavailable

AT_ONCE_S = 10.0  # the share of a minute's requests that may come at once
RETRY_S = 1.0  # after which one of a client's requests may be done
_CLIENTS = 256  # whose rates are remembered, those that asked last


class Rate:
    """A bucket of `most` that fills by `per_s` a second; what is done takes from it."""

    def __init__(self, most: float, per_s: float, now: Callable[[], float]) -> None:
        """`now` gives seconds."""
        self._most, self._per_s, self._now = most, per_s, now
        self._left, self._at_s = most, now()

    def allows(self, weight: float = 1.0) -> bool:
        """Return whether so much more may be done, which then was."""
        now_s = self._now()
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def wait_s(self) -> float:
        """Return the seconds until one more request may be made, counted from the last call."""
        return max(0.0, 1.0 - self._left) / self._per_s


class ClientRates:
    """A Rate of each of those that were looked up last; the rates of others begin again."""

    def __init__(self, most: float, per_s: float, now: Callable[[], float], kept: int) -> None:
        """Keep `kept` rates; the other arguments are those of a Rate."""
        self._most, self._per_s, self._now, self._kept = most, per_s, now, kept
        self._rates: OrderedDict[Hashable, Rate] = OrderedDict()

    def of(self, who: Hashable) -> Rate:
        rate = self._rates.get(who)
        if rate is None:
            rate = self._rates[who] = Rate(self._most, self._per_s, self._now)
            if len(self._rates) > self._kept:
                self._rates.popitem(last=False)
        self._rates.move_to_end(who)
        return rate


class Clients:
    """Counts the requests of each client; who cannot be told from others is one client."""

    def __init__(self, most: int, per_minute: int | None, monotonic: Callable[[], float]) -> None:
        """Allow `most` requests of a client at once and `per_minute`; None: any number a minute.

        `monotonic` gives seconds.
        """
        self._most, self._per_minute = most, per_minute
        self._running: Counter[str | None] = Counter()
        a_minute = per_minute or 0
        at_once = max(1.0, a_minute * AT_ONCE_S / 60.0)
        self._rates = ClientRates(at_once, a_minute / 60.0, monotonic, _CLIENTS)

    @contextmanager
    def enter(self, client: str | None) -> Generator[None]:
        """Count a request of `client` while the block runs; raises Unavailable beyond a limit."""
        if self._running[client] >= self._most:
            raise Unavailable(
                f"{self._most} requests of this client are waiting or running, which is what one "
                "may have (requests.per_client): try again when one is done",
                retry_after_s=RETRY_S,
                code="rate_limit",
            )
        self._check_rate(client)
        self._running[client] += 1
        try:
            yield
        finally:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]

    def _check_rate(self, client: str | None) -> None:
        if self._per_minute is None:
            return
        rate = self._rates.of(client)
        if not rate.allows():
            raise Unavailable(
                f"this client asks more often than {self._per_minute} times a minute, a sixth of "
                "them at once, which is what one may do (requests.per_minute): try again later",
                retry_after_s=rate.wait_s(),
                code="rate_limit",
            )
