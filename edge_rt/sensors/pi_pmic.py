"""The Raspberry Pi 5's power management chip, read through the firmware."""

from __future__ import annotations

import math
import re

from edge_rt.sensors.base import BaseReader, Channel, Skipped
from edge_rt.sensors.videocore import Firmware, failure, refusal

RAILS = (
    "3V7_WL_SW",
    "3V3_SYS",
    "1V8_SYS",
    "DDR_VDD2",
    "DDR_VDDQ",
    "1V1_SYS",
    "0V8_SW",
    "VDD_CORE",
    "0V8_AON",
    "3V3_DAC",
    "3V3_ADC",
    "HDMI",
)
VOLTAGES = ("EXT5V", "BATT")  # measured without a current
TOTAL = "PMIC"
COMMAND = "pmic_read_adc"

_LINE = re.compile(r"(\w+)_([AV])\s+(?:current|volt)\(\d+\)=(-?\d+(?:\.\d+)?)([AV])\b")


class PiPmic(BaseReader):
    """`power_w`, `voltage_v` and `current_a` of twelve rails, the power of all, and two voltages.

    The total is what flows through the chip: loads on USB, PCIe and the fan lie outside, so it is
    below what a wall meter shows. One sweep takes the firmware about 23 ms. A rail with a small
    current reads exactly 0. It is asked once at the start: a firmware that does not know the
    command (every board before the Pi 5) leaves no channels.
    """

    def __init__(self, firmware: Firmware, period_s: float = 0.25) -> None:
        source = f"{firmware.source} {COMMAND}"
        reason = _unsupported(firmware)
        skipped = () if reason is None else (Skipped("pi-pmic", f"{firmware.source}: {reason}"),)
        super().__init__("pi-pmic", _channels(source) if reason is None else (), period_s, skipped)
        self._firmware = firmware

    def close(self) -> None:
        """Close the firmware's device."""
        self._firmware.close()

    def _read(self) -> None:
        if not self.channels:
            return
        try:
            answer = self._firmware.ask(COMMAND)
        except OSError as error:
            self._fail_all(failure(self._firmware, error))
            return
        reason = refusal(answer)
        if reason is not None:
            self._fail_all(f"{self._firmware.source}: {reason}")
            return
        self._spread(parse(answer))

    def _spread(self, figures: dict[str, float]) -> None:
        total = 0.0
        for position, rail in enumerate(RAILS):
            volts, amps = figures.get(f"{rail}_V"), figures.get(f"{rail}_A")
            self._put(3 * position + 1, volts, rail)
            self._put(3 * position + 2, amps, rail)
            power = None if volts is None or amps is None else volts * amps
            self._put(3 * position, power, rail)
            total = math.nan if power is None else total + power
        end = 3 * len(RAILS)
        self._put(end, None if math.isnan(total) else total, "one of the rails")
        for position, rail in enumerate(VOLTAGES):
            self._put(end + 1 + position, figures.get(f"{rail}_V"), rail)

    def _put(self, index: int, value: float | None, rail: str) -> None:
        if value is None:
            self._fail(index, f"{rail} is missing in the answer to {COMMAND}")
        else:
            self._set(index, value)


def _unsupported(firmware: Firmware) -> str | None:
    try:
        return refusal(firmware.ask(COMMAND))
    except OSError:
        return None  # no rights or no answer now: that may be mended, so the channels stay


def parse(answer: str) -> dict[str, float]:
    """The figures of an answer by name, such as "VDD_CORE_A"; lines that are none are left out.

    Voltages and currents below 0 cannot be and are left out too.
    """
    figures: dict[str, float] = {}
    for line in answer.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is not None and match[2] == match[4] and not match[3].startswith("-"):
            figures[f"{match[1]}_{match[2]}"] = float(match[3])
    return figures


def _channels(source: str) -> list[Channel]:
    channels: list[Channel] = []
    for rail in RAILS:
        channels.append(Channel(rail, "power_w", f"{source} {rail}_V x {rail}_A"))
        channels.append(Channel(rail, "voltage_v", f"{source} {rail}_V"))
        channels.append(Channel(rail, "current_a", f"{source} {rail}_A"))
    channels.append(Channel(TOTAL, "power_w", f"{source} sum of V x A"))
    return channels + [Channel(rail, "voltage_v", f"{source} {rail}_V") for rail in VOLTAGES]
