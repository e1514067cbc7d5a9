"""Readers of rails: power, voltage and current of each, from two or three files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_rt.sensors.base import BaseReader, Channel, Skipped, unique
from edge_rt.sensors.sysfs import FILE_IO, FileIo, HeldFile

VOLTAGE_HIGH_MV = 1_000_000
CURRENT_HIGH_MA = 1_000_000  # both ways: an offset near zero reads as a small negative current
POWER_HIGH_UW = 10**12


@dataclass(frozen=True)
class Rail:
    """Where one rail is read: mV and mA, and where the chip gives it the power as well."""

    name: str
    voltage: Path
    current: Path
    power: Path | None = None
    power_scale: float = 1e-6  # watts in one step of the power file


class RailReader(BaseReader):
    """Gives `power_w`, `voltage_v` and `current_a` for each rail, in this order.

    Without a power file power is voltage times current; the two are read one after the other, a
    fraction of a millisecond apart.
    """

    def __init__(
        self,
        name: str,
        rails: Sequence[Rail],
        period_s: float,
        skipped: Sequence[Skipped] = (),
        io: FileIo = FILE_IO,
    ) -> None:
        rows = zip(unique(r.name for r in rails), rails, strict=True)
        super().__init__(name, [c for n, r in rows for c in _channels(n, r)], period_s, skipped)
        self._rails = [
            (HeldFile(r.voltage, io), HeldFile(r.current, io), _power(r, io)) for r in rails
        ]

    def close(self) -> None:
        """Close every file."""
        for voltage, current, power in self._rails:
            voltage.close()
            current.close()
            if power is not None:
                power[0].close()

    def _number(self, file: HeldFile, low: int, high: int) -> int | None:
        return file.number(low, high)

    def _read(self) -> None:
        index = 0
        for voltage, current, power in self._rails:
            volts = self._quantity(index + 1, voltage, 0, VOLTAGE_HIGH_MV)
            amps = self._quantity(index + 2, current, -CURRENT_HIGH_MA, CURRENT_HIGH_MA)
            if power is not None:
                self._given(index, power)
            elif volts is not None and amps is not None:
                self._set(index, volts * amps)
            else:
                self._fail(index, self.errors[index + 1] or self.errors[index + 2] or "")
            index += 3

    def _quantity(self, index: int, file: HeldFile, low: int, high: int) -> float | None:
        raw = self._number(file, low, high)
        if raw is None:
            self._fail(index, file.error or "")
            return None
        value = raw * 1e-3
        self._set(index, value)
        return value

    def _given(self, index: int, power: tuple[HeldFile, float]) -> None:
        raw = self._number(power[0], -POWER_HIGH_UW, POWER_HIGH_UW)
        if raw is None:
            self._fail(index, power[0].error or "")
        else:
            self._set(index, raw * power[1])


def _channels(name: str, rail: Rail) -> tuple[Channel, Channel, Channel]:
    product = f"{rail.voltage} x {rail.current.name}"
    return (
        Channel(name, "power_w", product if rail.power is None else str(rail.power)),
        Channel(name, "voltage_v", str(rail.voltage)),
        Channel(name, "current_a", str(rail.current)),
    )


def _power(rail: Rail, io: FileIo) -> tuple[HeldFile, float] | None:
    return None if rail.power is None else (HeldFile(rail.power, io), rail.power_scale)
