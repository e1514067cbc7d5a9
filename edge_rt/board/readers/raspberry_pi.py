"""The Raspberry Pi's power chip, its throttle flags and its undervoltage alarm."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from typing_extensions import override

from edge_rt.board.readers.base import (
    COOL,
    BaseReader,
    Channel,
    SensorAccess,
    better_supply,
    rail_channels,
    unique,
)
from edge_rt.board.readers.bounds import RailFacts, ReadingBounds
from edge_rt.board.readers.clocks import GaugeFile, GaugeReader
from edge_rt.board.readers.sysfs import (
    FILE_IO,
    FileIo,
    HeldFile,
    first_line,
    hwmon_devices,
    numbered,
)
from edge_rt.board.readers.videocore import Firmware, failure, refusal
from edge_rt.core.reports.finding import Finding, note, problem

_NOW = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")
_HEAT = ("throttled", "soft_temperature_limit", "frequency_capped")
BITS = tuple(enumerate(_NOW)) + tuple((bit + 16, f"{n}_occurred") for bit, n in enumerate(_NOW))
ALARM = "under_voltage_alarm"

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
_HIGH_V = 6.0  # of its input, EXT5V, which no rail exceeds
_LOW_A, _HIGH_A = -0.05, 20.0  # an offset, and more than any of its regulators gives
_LINE = re.compile(r"(\w+)_([AV])\s+(?:current|volt)\(\d+\)=(-?\d+(?:\.\d+)?)([AV])\b")

PMIC_ACCESS = SensorAccess(
    "the power chip behind the firmware's mailbox",
    ("pi-pmic",),
    module="vcio",
    group="video",
    rule=lambda group: f'KERNEL=="vcio", GROUP="{group}", MODE="0660"',
    device="vcio",
    advice=("# a firmware of before it told powers: rpi-eeprom-update -a, then reboot",),
)


class PiThrottled(BaseReader):
    """Eight flags, from the kernel's copy in sysfs or, without one, from the firmware."""

    def __init__(self, sysfs: Path, firmware: Firmware | None = None, io: FileIo = FILE_IO) -> None:
        paths = numbered(sysfs / "devices" / "platform", "soc*/soc*:firmware/get_throttled")
        self._file = HeldFile(paths[0], io) if paths else None
        self._firmware = firmware
        if paths:
            source = str(paths[0])
        else:
            source = "" if firmware is None else f"{firmware.source} get_throttled"
        channels = [Channel(n, "flag", f"{source} bit {b}") for b, n in BITS] if source else []
        absent = f"no get_throttled below {sysfs}/devices/platform/soc* and no firmware to ask"
        super().__init__("pi-throttled", channels, 0.5, absent=absent)

    @override
    def diagnose(self, supply_w: float | None = None) -> Iterator[Finding]:
        """Yield a weak supply and heat, now or else since boot.

        A weak supply raises the flags of heat as well, but for one.
        """
        raised = self.raised
        weak, was_weak = "under_voltage" in raised, "under_voltage_occurred" in raised
        if weak:
            yield _too_weak(supply_w)
        elif was_weak:
            what = "the supply was too weak since boot"
            yield note("throttling", what, *better_supply(supply_w))
        now, before = _hot(raised, "", weak), _hot(raised, "_occurred", weak or was_weak)
        if now:
            yield note("throttling", f"the board slows down for heat right now ({now})", COOL)
        elif before:
            yield note("throttling", f"the board slowed down for heat since boot ({before})", COOL)

    def close(self) -> None:
        for held in (self._file, self._firmware):
            if held is not None:
                held.close()

    def _read(self) -> None:
        text, reason = self._text()
        bits = None if text is None else parse_flags(text)
        if bits is None:
            self._fail_all(reason or f"no throttle flags in {text!r:.40}")
            return
        for index, (bit, _) in enumerate(BITS):
            self._set(index, float(bits >> bit & 1))

    def _text(self) -> tuple[str | None, str | None]:
        if self._file is not None:
            data = self._file.read()
            return (None, self._file.error) if data is None else (data.decode("latin-1"), None)
        if self._firmware is None:
            return None, "no source"
        try:
            answer = self._firmware.ask("get_throttled")
        except OSError as error:
            return None, failure(self._firmware, error)
        reason = refusal(answer)
        return (answer, None) if reason is None else (None, reason)


def _too_weak(supply_w: float | None) -> Finding:
    return problem("throttling", "the supply is too weak right now", *better_supply(supply_w))


def _hot(raised: Collection[str], suffix: str, weak: bool) -> str:
    flags = ("soft_temperature_limit",) if weak else _HEAT
    return ", ".join(flag.replace("_", " ") for flag in flags if flag + suffix in raised)


def parse_flags(text: str) -> int | None:
    """Return the bits in "throttled=0x50005", or "50005" as sysfs has it.

    None where there are none.
    """
    try:
        bits = int(text.strip().rpartition("=")[2], 16)
    except ValueError:
        return None
    return bits if 0 <= bits < 1 << 32 else None


class PiVolt(GaugeReader):
    """The hwmon device `rpi_volt`: one flag, true below about 4.63 V, and labelled voltages."""

    def __init__(self, sysfs: Path, io: FileIo = FILE_IO) -> None:
        gauges: list[GaugeFile] = []
        for _, folder in hwmon_devices(sysfs, frozenset(("rpi_volt",))):
            gauges += _voltages(folder)
        reason = f"no hwmon device of that name below {sysfs}"
        super().__init__("rpi_volt", gauges, 0.5, io, reason)

    @override
    def diagnose(self, supply_w: float | None = None) -> Iterator[Finding]:
        """Yield the alarm."""
        if ALARM in self.raised:
            yield _too_weak(supply_w)


def _voltages(folder: Path) -> list[GaugeFile]:
    alarm = folder / "in0_lcrit_alarm"
    found = [GaugeFile(ALARM, "flag", alarm, 1.0, 0, 1)] if alarm.exists() else []
    inputs = numbered(folder, "in*_input")
    labels = [first_line(p.with_name(p.name.replace("_input", "_label"))) for p in inputs]
    names = unique(label or p.name[:-6] for label, p in zip(labels, inputs, strict=True))
    pairs = zip(names, inputs, strict=True)
    return found + [GaugeFile(n, "voltage_v", p, 1e-3, 0, 1_000_000) for n, p in pairs]


class PiPmicReader(BaseReader):
    """`power_w`, `voltage_v` and `current_a` of twelve rails, the power of all, and two voltages.

    The total is what flows through the chip: loads on USB, PCIe and the fan lie outside, so it is
    below what a wall meter shows. One sweep takes the firmware about 23 ms. A rail with a small
    current reads exactly 0, or a little less, which counts as nothing. It is asked once at the
    start: a firmware that does not know the command (every board before the Pi 5) leaves no
    channels.
    """

    def __init__(
        self,
        firmware: Firmware,
        known: RailFacts = RailFacts(),  # noqa: B008 - it is frozen
    ) -> None:
        source = f"{firmware.source} {COMMAND}"
        reason = _unsupported(firmware)
        channels = _channels(source) if reason is None else []
        bounds = {i: _bounds(channel, known) for i, channel in enumerate(channels)}
        super().__init__("pi-pmic", channels, 0.25, (), bounds, f"{firmware.source}: {reason}")
        self._firmware = firmware

    def close(self) -> None:
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
        self._spread(parse_figures(answer))

    def _spread(self, figures: dict[str, float]) -> None:
        for position, rail in enumerate(RAILS):
            missing = _missing(rail)
            volts, amps = (figures.get(f"{rail}_{unit}", missing) for unit in "VA")
            self._put_rail(3 * position, volts, amps)
        self._add_up(3 * len(RAILS))
        for position, rail in enumerate(VOLTAGES, 3 * len(RAILS) + 1):
            self._put(position, figures.get(f"{rail}_V", _missing(rail)))

    def _add_up(self, index: int) -> None:
        powers = self.values[0:index:3]
        known = [power for power in powers if power is not None]
        if len(known) == len(powers):
            self._set(index, sum(known))
        else:
            at = powers.index(None)
            self._fail(index, f"{RAILS[at]} is missing in the sum: {self.errors[3 * at]}")


def _missing(rail: str) -> str:
    return f"{rail} is missing in the answer to {COMMAND}"


def _unsupported(firmware: Firmware) -> str | None:
    try:
        return refusal(firmware.ask(COMMAND))
    except OSError:
        return None  # no rights or no answer now: that may be mended, so the channels stay


def parse_figures(answer: str) -> dict[str, float]:
    """Return the figures of an answer by name, such as "VDD_CORE_A".

    Lines that are none are left out.
    """
    figures: dict[str, float] = {}
    for line in answer.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is not None and match[2] == match[4]:
            figures[f"{match[1]}_{match[2]}"] = float(match[3])
    return figures


def _channels(source: str) -> list[Channel]:
    channels: list[Channel] = []
    for rail in RAILS:
        volts, amps = f"{source} {rail}_V", f"{source} {rail}_A"
        channels += rail_channels(rail, f"{volts} x {rail}_A", volts, amps)
    channels.append(Channel(TOTAL, "power_w", f"{source} sum of V x A"))
    return channels + [Channel(rail, "voltage_v", f"{source} {rail}_V") for rail in VOLTAGES]


def _bounds(channel: Channel, known: RailFacts) -> ReadingBounds:
    if channel.kind == "power_w":
        return known.power
    if channel.kind == "current_a":
        return ReadingBounds(_LOW_A, _HIGH_A, "is what the chip's regulators give")
    return ReadingBounds(0.0, _HIGH_V, "is what the chip's rails have")
