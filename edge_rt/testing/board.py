"""A board whose sysfs, procfs and device files a test writes, and its clock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge_rt.board.discovery import Roots
from edge_rt.twin.filesystem import SysfsTree


class FakeClock:
    """Seconds that pass only when `now` is set."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


class FakeBoard(SysfsTree):
    """A directory with `sys`, `proc` and `dev`, empty at first."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / "sys")
        self.proc = root / "proc"
        self.dev = root / "dev"
        for folder in (self.sysfs, self.proc, self.dev):
            folder.mkdir(parents=True)

    @property
    def roots(self) -> Roots:
        """The roots that discovery and makers of readers take."""
        return Roots(self.sysfs, self.proc, self.dev)

    def ina3221(self, place: str, rails: list[tuple[str, int, int]]) -> Path:
        """Add an INA3221 with labels, mV and mA of its channels, through the hwmon driver."""
        files: dict[str, object] = {"in7_label": "sum of shunt voltages", "in7_input": 0}
        for number, (label, millivolts, milliamps) in enumerate(rails, 1):
            files[f"in{number}_label"] = label
            files[f"in{number}_enable"] = 1
            files[f"in{number}_input"] = millivolts
            files[f"curr{number}_input"] = milliamps
        return self.hwmon("ina3221", files, self.i2c(place, "ina3221"))

    def ina3221x(self, place: str, rails: list[tuple[str, int, int]], unit: str = "") -> Path:
        """Add an INA3221 with labels, mV and mA, through the iio driver of JetPack 4."""
        folder = self.i2c(place, "ina3221x") / f"iio:device{self.number('iio')}"
        files: dict[str, object] = {"name": "ina3221x"}
        for number, (label, millivolts, milliamps) in enumerate(rails):
            files[f"rail_name_{number}"] = label
            files[f"in_voltage{number}_input"] = millivolts
            files[f"in_current{number}_input"] = f"{milliamps}{unit}"
            files[f"in_power{number}_input"] = millivolts * milliamps // 1000
        return self.write(folder, files)

    def zone(self, kind: str, millidegrees: int, trips: Mapping[str, int] | None = None) -> Path:
        """Add a thermal zone with trip points by kind."""
        folder = self.sysfs / "class" / "thermal" / f"thermal_zone{self.number('zone')}"
        files: dict[str, object] = {"type": kind, "temp": millidegrees}
        for number, (trip, temp) in enumerate((trips or {}).items()):
            files |= {f"trip_point_{number}_type": trip, f"trip_point_{number}_temp": temp}
            files |= {f"trip_point_{number}_hyst": 2000}
        return self.write(folder, files)

    def cooling(self, kind: str, state: int, top: int) -> Path:
        """Add a cooling device."""
        folder = self.sysfs / "class" / "thermal" / f"cooling_device{self.number('cooling')}"
        return self.write(folder, {"type": kind, "cur_state": state, "max_state": top})

    def policy(self, number: int, cpus: str, khz: int, top: int, low: int) -> Path:
        """Add a cpufreq policy."""
        folder = self.sysfs / "devices" / "system" / "cpu" / "cpufreq" / f"policy{number}"
        files = {"related_cpus": cpus, "cpuinfo_max_freq": top, "cpuinfo_min_freq": low}
        now = {"scaling_cur_freq": khz, "scaling_max_freq": top, "scaling_min_freq": low}
        return self.write(folder, files | now)

    def rapl(self, zone: str, name: str, energy: int, top: int = 262_143_328_850) -> Path:
        """Add a powercap zone."""
        folder = self.sysfs / "class" / "powercap" / zone
        return self.write(folder, {"name": name, "energy_uj": energy, "max_energy_range_uj": top})

    def busy(self, ticks: int, cores: int = 4) -> None:
        """Write /proc/stat, with `ticks` of all cores busy."""
        lines = [f"cpu  {ticks} 0 0 900 7 0 0 0 0 0"]
        lines += [f"cpu{core} {ticks // cores} 0 0 225 1 0 0 0 0 0" for core in range(cores)]
        (self.proc / "stat").write_text("\n".join(lines) + "\nintr 1 2 3\n")

    def process(self, pid: int, ticks: int) -> None:
        """Write /proc/PID/stat of a process with an awkward name."""
        fields = ["0"] * 10 + [str(ticks), "0"] + ["0"] * 30
        self.write(self.proc / str(pid), {"stat": f"{pid} (a ) b) S {' '.join(fields)}"})

    def memory(self, total_kb: int, available_kb: int) -> None:
        """Write /proc/meminfo."""
        rows = f"MemTotal: {total_kb:>10} kB\nMemFree: 1 kB\nMemAvailable: {available_kb} kB\n"
        (self.proc / "meminfo").write_text(rows)

    def host(self, cores: int = 4) -> None:
        """Write what every Linux has below /proc."""
        self.busy(1000, cores)
        self.memory(8_000_000, 5_000_000)
