"""Rails of a simulated board: INA3221 and INA238 of a Jetson, RAPL of a PC, PMIC of a Pi."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from edge_rt.config.board import Board, Rail
from edge_rt.twin.filesystem import Folders, NumberFile, ShownFile, TextFile
from edge_rt.twin.plant import PlantState

RANGE_UJ = 262_143_328_850
_BUS_STEP_V, _SHUNT_STEP_V = 8e-3, 40e-6  # of the INA3221
_SHUNT_OHM = 0.005  # where the profile has none
_BUS, _ADDRESS = 1, 0x40
_INA238 = "1-0044"

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


def rapl_power(folders: Folders, board: Board) -> Iterator[ShownFile]:
    """Show what each zone has used since the start, in µJ, wrapping as the kernel's does."""
    labels = [label for label, rail in board.rails.items() if rail.chip == "rapl"]
    for label, zone in _zones(labels):
        name = label.rpartition("/")[2]
        fixed = {"name": name, "max_energy_range_uj": RANGE_UJ, "enabled": 1}
        folder = folders.write(folders.sysfs / "class" / "powercap" / zone, fixed)
        yield ShownFile(NumberFile(folder / "energy_uj"), partial(_used_uj, label))


def _used_uj(label: str, state: PlantState) -> int:
    return int(state.energies_j[label] * 1e6) % RANGE_UJ


def _zones(labels: list[str]) -> Iterator[tuple[str, str]]:
    """Labels such as "package-0/core" with their zones, such as "intel-rapl:0:0"."""
    packages = [label for label in labels if "/" not in label]
    for number, package in enumerate(packages):
        yield package, f"intel-rapl:{number}"
        parts = [label for label in labels if label.startswith(f"{package}/")]
        for index, part in enumerate(parts):
            yield part, f"intel-rapl:{number}:{index}"


def jetson_power(folders: Folders, board: Board, *, iio: bool) -> Iterator[ShownFile]:
    """Show the rails of every INA3221 and INA238; `iio`: as JetPack 4 lays the files out."""
    make = _iio if iio else _hwmon
    for place, channels in _chips(board).items():
        yield from make(folders, place, channels)
    for label, rail in board.rails.items():
        if rail.chip == "ina238":
            yield from _ina238(folders, label)


def _rail(
    label: str,
    voltage: Path,
    current: Path,
    power: Path | None,
    power_unit_w: float = 1e-3,
    current_step_a: float = 1e-3,
    voltage_step_v: float = 1e-3,
) -> Iterator[ShownFile]:
    """Show one rail; the steps are 1 mA and 1 mV or those of the chip, if larger."""

    def volts(state: PlantState) -> float:
        return _stepped(state.voltages_v[label], voltage_step_v)

    def amps(state: PlantState) -> float:
        return _stepped(state.rails_w[label] / volts(state), current_step_a)

    yield ShownFile(NumberFile(voltage), lambda state: volts(state) * 1e3)
    yield ShownFile(NumberFile(current), lambda state: amps(state) * 1e3)
    if power is not None:
        watts = NumberFile(power)
        yield ShownFile(watts, lambda state: volts(state) * amps(state) / power_unit_w)


def _stepped(value: float, step: float) -> float:
    return round(value / step) * step


def _chips(board: Board) -> dict[str, dict[int, tuple[str, Rail]]]:
    """Return the INA3221 by place, with label and rail by channel.

    Channels not named are in order.
    """
    chips: dict[str, dict[int, tuple[str, Rail]]] = {}
    for label, rail in board.rails.items():
        if rail.chip != "ina3221":
            continue
        bus = _BUS if rail.i2c_bus is None else rail.i2c_bus
        channels = chips.setdefault(f"{bus}-{rail.i2c_address or _ADDRESS:04x}", {})
        free = next(number for number in range(1, 99) if number not in channels)
        channels[rail.channel or free] = label, rail
    return chips


def _hwmon(
    folders: Folders, place: str, channels: Mapping[int, tuple[str, Rail]]
) -> Iterator[ShownFile]:
    fixed: dict[str, object] = {"in7_label": "sum of shunt voltages", "in7_input": 0}
    for number in (1, 2, 3):
        label, rail = channels.get(number, ("NC", None))
        fixed |= {f"in{number}_label": label, f"in{number}_enable": 1}
        fixed |= {f"shunt{number}_resistor": round(_shunt_ohm(rail) * 1e6)}
        if rail is None:
            fixed |= {f"in{number}_input": 0, f"curr{number}_input": 0}
    folder = folders.hwmon("ina3221", fixed, folders.i2c(place, "ina3221"))
    for number, (label, rail) in channels.items():
        yield from _ina3221(
            label, rail, folder / f"in{number}_input", folder / f"curr{number}_input"
        )


def _iio(
    folders: Folders, place: str, channels: Mapping[int, tuple[str, Rail]]
) -> Iterator[ShownFile]:
    folder = folders.i2c(place, "ina3221x") / f"iio:device{folders.number('iio')}"
    folders.write(folder, {"name": "ina3221x"})
    for number, (label, rail) in channels.items():
        index = number - 1
        folders.write(folder, {f"rail_name_{index}": label})
        files = (folder / f"in_{kind}{index}_input" for kind in ("voltage", "current", "power"))
        yield from _ina3221(label, rail, *files)


def _ina3221(
    label: str, rail: Rail, voltage: Path, current: Path, power: Path | None = None
) -> Iterator[ShownFile]:
    step_a = max(1e-3, _SHUNT_STEP_V / _shunt_ohm(rail))
    return _rail(label, voltage, current, power, 1e-3, step_a, _BUS_STEP_V)


def _ina238(folders: Folders, label: str) -> Iterator[ShownFile]:
    device = folders.i2c(_INA238, "ina238")
    folder = folders.hwmon("ina238", {"in1_label": label, "in0_input": 1}, device)
    voltage, current, power = (folder / f"{name}1_input" for name in ("in", "curr", "power"))
    return _rail(label, voltage, current, power, power_unit_w=1e-6)


def _shunt_ohm(rail: Rail | None) -> float:
    return _SHUNT_OHM if rail is None or rail.shunt_ohm is None else rail.shunt_ohm


def pmic_power(folders: Folders, board: Board) -> ShownFile:
    """Show the answer to pmic_read_adc; boards without the chip do not know the command."""
    labels = [label for label, rail in board.rails.items() if rail.chip == "pmic"]

    def answer(state: PlantState) -> str:
        supply_v = _SAGGING_V if state.under_voltage else _SUPPLY_V
        lines = [
            (24, _line("EXT5V_V", "volt", 24, supply_v, "V")),
            (25, _line("BATT_V", "volt", 25, 0.0, "V")),
        ]
        for label in labels:
            (current, volt), volts = _NUMBERS[label], state.voltages_v[label]
            amps = state.rails_w[label] / volts
            lines.append((current, _line(f"{label}_A", "current", current, amps, "A")))
            lines.append((volt, _line(f"{label}_V", "volt", volt, volts, "V")))
        return "".join(text for _, text in sorted(lines)) if labels else _UNKNOWN

    (folders.dev / "vcio").mkdir(exist_ok=True)
    return ShownFile(TextFile(folders.dev / "vcio" / "pmic_read_adc"), answer)


def pi_flags(folders: Folders) -> Iterator[ShownFile]:
    """Show get_throttled, from the firmware and in sysfs, and the alarm of `rpi_volt`.

    What holds the board back now is in the lower bits, what has since the start 16 bits higher.
    """
    platform = folders.sysfs / "devices" / "platform"
    firmware = folders.write(platform / "soc" / "soc:firmware", {})
    (folders.dev / "vcio").mkdir(exist_ok=True)
    ever = 0

    def bits(state: PlantState) -> int:
        nonlocal ever
        ever |= _flags(state)
        return _flags(state) | ever << 16

    asked = TextFile(folders.dev / "vcio" / "get_throttled")
    yield ShownFile(NumberFile(firmware / "get_throttled"), lambda state: f"{bits(state):x}")
    yield ShownFile(asked, lambda state: f"throttled={bits(state):#x}\n")
    alarm = NumberFile(folders.hwmon("rpi_volt", {}) / "in0_lcrit_alarm")
    yield ShownFile(alarm, lambda state: state.under_voltage)


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
