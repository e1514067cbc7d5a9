"""The firmware of a simulated Raspberry Pi: PMIC, throttle flags, undervoltage alarm."""

from __future__ import annotations

from collections.abc import Mapping

from edge_rt.config.board import Board
from edge_rt.twin.filesystem import NO_SENSORS, Folders, NumberFile, TextFile
from edge_rt.twin.plant import PlantState

# The numbers that the firmware gives to current and voltage of each rail.
_NUMBERS = {
    "3V7_WL_SW": (0, 8),
    "3V3_SYS": (1, 9),
    "1V8_SYS": (2, 10),
    "DDR_VDD2": (3, 11),
    "DDR_VDDQ": (4, 12),
    "1V1_SYS": (5, 13),
    "0V8_SW": (6, 14),
    "VDD_CORE": (7, 15),
    "0V8_AON": (16, 19),
    "3V3_DAC": (17, 20),
    "3V3_ADC": (18, 21),
    "HDMI": (22, 23),
}
_SUPPLY_V, _SAGGING_V = 5.05, 4.58
_UNKNOWN = 'error=1 error_msg="Command not registered"\n'
_UNDER_VOLTAGE, _CAPPED, _THROTTLED, _SOFT_LIMIT = 1, 2, 4, 8
_HOT_C = 85.0  # from here on the firmware says "throttled"


class PmicFile:
    """The answer to pmic_read_adc; boards without the chip do not know the command."""

    def __init__(self, folders: Folders, board: Board) -> None:
        (folders.dev / "vcio").mkdir(exist_ok=True)
        self._file = TextFile(folders.dev / "vcio" / "pmic_read_adc")
        self._labels = [label for label, rail in board.rails.items() if rail.chip == "pmic"]
        self._lines: dict[str, list[tuple[int, str]]] = {}
        self.sensors = frozenset(self._labels)

    def show(self, state: PlantState, faults: Mapping[str, str]) -> None:
        """Bring the answer up to date."""
        if not self._labels:
            self._file.put(_UNKNOWN)
            return
        for label in self._labels:
            self._update(label, state, faults.get(label))
        lines = [line for pair in self._lines.values() for line in pair]
        supply_v = _SAGGING_V if state.under_voltage else _SUPPLY_V
        lines += [(24, _line("EXT5V_V", "volt", 24, supply_v, "V"))]
        lines += [(25, _line("BATT_V", "volt", 25, 0.0, "V"))]
        self._file.put("".join(text for _, text in sorted(lines)))

    def _update(self, label: str, state: PlantState, fault: str | None) -> None:
        if fault == "stuck" and label in self._lines:
            return
        if fault in ("vanish", "storm"):
            self._lines[label] = []
            return
        volts = state.voltages_v[label]
        amps = state.rails_w[label] / volts
        current, volt = _NUMBERS[label]
        self._lines[label] = [
            (current, _line(f"{label}_A", "current", current, amps, "A")),
            (volt, _line(f"{label}_V", "volt", volt, volts, "V")),
        ]


class PiFlags:
    """get_throttled, from the firmware and in sysfs, and the alarm of `rpi_volt`."""

    sensors = NO_SENSORS

    def __init__(self, folders: Folders) -> None:
        platform = folders.sysfs / "devices" / "platform"
        firmware = folders.write(platform / "soc" / "soc:firmware", {})
        (folders.dev / "vcio").mkdir(exist_ok=True)
        self._kernel = NumberFile(firmware / "get_throttled")
        self._firmware = TextFile(folders.dev / "vcio" / "get_throttled")
        self._alarm = NumberFile(folders.hwmon("rpi_volt", {}) / "in0_lcrit_alarm")
        self._ever = 0

    def show(self, state: PlantState, faults: Mapping[str, str]) -> None:
        """What holds the board back now, and, 16 bits higher, whatever has since the start."""
        now = _flags(state)
        self._ever |= now << 16
        bits = now | self._ever
        self._kernel.put(f"{bits:x}")
        self._firmware.put(f"throttled={bits:#x}\n")
        self._alarm.put(str(int(state.under_voltage)))


def _flags(state: PlantState) -> int:
    bits = 0
    if state.under_voltage:
        bits |= _UNDER_VOLTAGE | _THROTTLED
    if state.throttle_state:
        bits |= _CAPPED | _SOFT_LIMIT
    if state.chip_c >= _HOT_C:
        bits |= _THROTTLED
    return bits


def _line(name: str, kind: str, number: int, value: float, unit: str) -> str:
    return f"{name:>16} {kind}({number})={value:.8f}{unit}\n"
