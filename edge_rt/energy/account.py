"""What one request has taken of the engine's time and of the board's energy."""

from __future__ import annotations

from dataclasses import dataclass

COVERED = 0.95  # of the busy time must lie where energy is known: a bill is no extrapolation
NOTHING_J = 1e-6  # less than any meter's step is rounding


@dataclass(frozen=True)
class Bill:
    """What a request took, final.

    `energy_j`, of which `prefill_j` and `decode_j` are the parts, is what it added to what the
    board draws anyway. All three are None, never 0, where that is not known. They are `modelled`
    where it was served for less than the meter can resolve.
    """

    energy_j: float | None
    prefill_j: float | None
    decode_j: float | None
    busy_s: float  # the engine's time for it alone
    power_w: float | None  # the board's mean while it lasted, others' work included
    modelled: bool = False

    @property
    def resolved(self) -> bool:
        """Whether the joules are known."""
        return self.energy_j is not None


class Account:
    """One request's running sums, in seconds and joules; times are monotonic.

    Seconds come when the engine tells them, joules when the window that they fall into is settled.
    """

    __slots__ = (
        "_board_j",
        "_board_s",
        "_first_s",
        "_last_s",
        "begin_s",
        "bill",
        "decode_j",
        "decode_s",
        "end_s",
        "idle",
        "prefill_j",
        "prefill_s",
        "resolved_s",
        "torn",
    )

    def __init__(self, begin_s: float, *, idle: bool = False) -> None:
        """`idle`: its busy time is not the engine's, and so no measure of what that takes."""
        self.begin_s = begin_s
        self.idle = idle
        self.end_s: float | None = None
        self.prefill_s = self.decode_s = 0.0
        self.prefill_j = self.decode_j = 0.0
        self.resolved_s = 0.0  # busy seconds that lie in settled windows of known energy
        self.torn = False  # the meter changed meanwhile: some joules are not known
        self.bill: Bill | None = None  # there once closed
        self._first_s: float | None = None
        self._last_s = begin_s
        self._board_j = self._board_s = 0.0

    @property
    def busy_s(self) -> float:
        """The engine's time for it alone, as told so far."""
        return self.prefill_s + self.decode_s

    @property
    def energy_j(self) -> float:
        """Joules so far; 0 once closed with a bill that knows none."""
        return self.prefill_j + self.decode_j

    @property
    def served_s(self) -> float:
        """From the first to the last work for it, others' turns included."""
        return 0.0 if self._first_s is None else self._last_s - self._first_s

    @property
    def power_w(self) -> float | None:
        """The board's mean power so far, by one meter; None before a reading in its time."""
        return self._board_j / self._board_s if self._board_s > 0 else None

    def work(self, begin_s: float, end_s: float, prefill_s: float, decode_s: float) -> None:
        """Take what the engine did for it between two times."""
        if prefill_s + decode_s <= 0:
            return
        self.prefill_s += prefill_s
        self.decode_s += decode_s
        self._first_s = begin_s if self._first_s is None else min(self._first_s, begin_s)
        self._last_s = max(self._last_s, end_s)

    def charge(self, prefill_j: float, decode_j: float, resolved_s: float) -> None:
        """Take its part of a window."""
        self.prefill_j += prefill_j
        self.decode_j += decode_j
        self.resolved_s += resolved_s

    def feel(self, energy_j: float, covered_s: float) -> None:
        """Take the whole board's energy over some of its time."""
        self._board_j += energy_j
        self._board_s += covered_s

    def renew(self) -> None:
        """The meter is another one from now on: joules stay unknown, the mean begins anew."""
        self.torn = True
        self._board_j = self._board_s = 0.0

    def settle(self, now_s: float, resolution_s: float, price_w: float | None = None) -> Bill:
        """Close it for good; joules that the bill does not vouch for are let go.

        Where it was served for less than `resolution_s`, its part of a window is mostly chance:
        it pays `price_w` for each busy second in place of that, if there is such a price.
        """
        self.end_s = now_s
        brief = self.busy_s > 0 and self.served_s < resolution_s
        if brief and price_w is not None:
            self.prefill_j, self.decode_j = price_w * self.prefill_s, price_w * self.decode_s
        known = self._known()
        if not known:
            self.prefill_j = self.decode_j = 0.0
        joules = (self.energy_j, self.prefill_j, self.decode_j) if known else (None, None, None)
        self.bill = Bill(*joules, self.busy_s, self.power_w, modelled=known and brief)
        return self.bill

    def _known(self) -> bool:
        if self.torn:
            return False
        if self.busy_s <= 0:
            return True  # it never got the engine's time, so it truly took nothing
        covered = self.resolved_s >= COVERED * self.busy_s
        return covered and self.energy_j > NOTHING_J
