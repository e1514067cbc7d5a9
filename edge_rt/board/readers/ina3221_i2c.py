"""The INA3221 read raw over I2C, for chips that no kernel driver holds."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_rt.board.readers import ina3221 as chip
from edge_rt.board.readers.base import BaseReader, rail_channels
from edge_rt.board.readers.bounds import RailFacts
from edge_rt.board.readers.sysfs import numbered

if TYPE_CHECKING:
    from edge_rt.config.board import Rail


@dataclass(frozen=True)
class RawChip:
    """An INA3221 that no driver may own; `labels` and `shunt_ohms` are by channel 1, 2, 3."""

    bus: int
    address: int
    labels: Mapping[int, str]
    shunt_ohms: Mapping[int, float]


def raw_chips(rails: Mapping[str, Rail], sysfs: Path) -> tuple[RawChip, ...]:
    """Return the INA3221 whose place is known, from rails by label."""
    places: dict[tuple[int, int], dict[str, Rail]] = {}
    buses = _buses(sysfs)
    for label, rail in rails.items():
        place = _place(rail, buses)
        if rail.chip == "ina3221" and place is not None and rail.channel is not None:
            places.setdefault(place, {})[label] = rail
    return tuple(_chip(*place, placed) for place, placed in places.items())


def _place(rail: Rail, buses: Mapping[str, int]) -> tuple[int, int] | None:
    """Return the bus and the address.

    The number in a profile is that of one kernel: it counts only where no bus tells its node.
    """
    told = bool(buses) and rail.i2c_node is not None
    bus = buses.get(rail.i2c_node or "") if told else rail.i2c_bus
    return None if bus is None or rail.i2c_address is None else (bus, rail.i2c_address)


def _buses(sysfs: Path) -> dict[str, int]:
    """Numbers of the I2C buses by their nodes in the device tree, such as "i2c@c250000"."""
    adapters = numbered(sysfs / "bus" / "i2c" / "devices", "i2c-[0-9]*")
    return {
        Path(os.path.realpath(adapter / "of_node")).name: int(adapter.name.removeprefix("i2c-"))
        for adapter in adapters
        if (adapter / "of_node").exists()
    }


def _chip(bus: int, address: int, rails: Mapping[str, Rail]) -> RawChip:
    labels = {r.channel: label for label, r in rails.items() if r.channel is not None}
    ohms = {r.channel: r.shunt_ohm for r in rails.values() if r.channel and r.shunt_ohm}
    return RawChip(bus, address, labels, ohms)


class WordBus(Protocol):
    """The part of smbus2.SMBus that is used."""

    def read_word_data(self, i2c_addr: int, register: int, force: bool | None = None) -> int:
        """Return a little-endian word; OSError where the bus or chip fails."""
        ...

    def close(self) -> None:
        """Close the bus."""
        ...


def open_bus(device: Path) -> WordBus:
    """Return the bus behind /dev/i2c-N; OSError where it cannot be opened."""
    from smbus2 import SMBus

    return SMBus(str(device))


class Ina3221I2c(BaseReader):
    """The given channels of one chip.

    A chip that a driver owns is left alone unless `force`, also when the driver comes later. The
    rest is checked before the first measurement and again after a failure: a chip of another kind
    is never read, nor one that is powered down or waits to be triggered, whose registers keep old
    figures. Until then every channel fails with the reason.
    """

    def __init__(
        self,
        bus: WordBus,
        bus_number: int,
        address: int,
        shunt_ohms: Mapping[int, float],
        labels: Mapping[int, str],
        sysfs: Path = Path("/sys"),
        *,
        force: bool = False,
        known: RailFacts = RailFacts(),  # noqa: B008 - it is frozen
    ) -> None:
        """`shunt_ohms` and `labels` are by channel 1, 2, 3; a channel without both is not read."""
        self._place = f"{bus_number}-{address:04x}"
        self._numbers = [n for n in (1, 2, 3) if n in labels and n in shunt_ohms]
        named = [(labels[n], f"i2c {self._place} channel {n}") for n in self._numbers]
        limits = [b for n in self._numbers for b in chip.bounds(shunt_ohms[n], known.power)]
        channels = [c for n, s in named for c in rail_channels(n, s)]
        super().__init__("ina3221-i2c", channels, 0.1, (), dict(enumerate(limits)))
        self._bus = bus
        self._address = address
        self._ohms = shunt_ohms
        self._driver = sysfs / "bus" / "i2c" / "devices" / self._place / "driver"
        self._force = force
        self._config: int | None = None  # None: not checked yet

    def close(self) -> None:
        """Close the bus, which cannot be read any more."""
        self._bus.close()

    def _read(self) -> None:
        # The kernel asks who owns the chip only when its address is set, that is once.
        if self._config is None or self._is_owned():
            self._config = self._check()
        if self._config is None:
            return
        failed = 0
        for position, number in enumerate(self._numbers):
            if chip.enabled(self._config, number):
                failed += not self._measure(3 * position, number)
            else:
                reason = f"channel {number} is disabled in the chip's configuration"
                self._put_rail(3 * position, reason, reason, reason)
        if failed:
            self._config = None  # the chip may have been reset, replaced or taken by a driver

    def _check(self) -> int | None:
        """Return the configuration register of a chip that may be read.

        Else None and errors set.
        """
        try:
            reason = self._refusal()
            if reason is None:
                config = self._word(chip.CONFIG)
                if chip.continuous(config):
                    return config
                reason = f"{self._place} does not measure continuously: mode {config & 7}, not 7"
        except OSError as error:
            reason = self._words(error)
        self._fail_all(reason)
        return None

    def _refusal(self) -> str | None:
        if self._is_owned():
            return f"a kernel driver owns {self._place}: read it through hwmon instead"
        maker, die = self._word(chip.MANUFACTURER), self._word(chip.DIE)
        if (maker, die) == (chip.MANUFACTURER_ID, chip.DIE_ID):
            return None
        return f"the chip at {self._place} is no INA3221: it says {maker:#06x}, {die:#06x}"

    def _is_owned(self) -> bool:
        return not self._force and self._driver.exists()

    def _measure(self, index: int, number: int) -> bool:
        try:
            shunt = chip.steps(self._word(chip.shunt_register(number))) * chip.SHUNT_STEP_V
            volts = chip.steps(self._word(chip.bus_register(number))) * chip.BUS_STEP_V
        except OSError as error:
            reason = self._words(error)
            self._put_rail(index, reason, reason, reason)
            return False
        self._put_rail(index, volts, shunt / self._ohms[number])
        return True

    def _word(self, register: int) -> int:
        word = self._bus.read_word_data(self._address, register, force=self._force or None)
        return chip.swapped(word)

    def _words(self, error: OSError) -> str:
        if error.errno == errno.EBUSY:
            return f"a kernel driver owns {self._place} (EBUSY): read it through hwmon instead"
        return f"i2c {self._place}: {errno.errorcode.get(error.errno or 0, 'OSError')} ({error})"
