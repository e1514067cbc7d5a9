"""Builds the sysfs, procfs and device files of each board, as its kernel lays them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

ORIN_ZONES = ("cpu-thermal", "gpu-thermal", "cv0-thermal", "soc0-thermal", "tj-thermal")

# Names of a Pi 5's rails with the indices of their current and voltage.
PI5_PAIRS = {
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


class Tree:
    """A root with `sys`, `proc` and `dev` below it."""

    def __init__(self, root: Path) -> None:
        self.sysfs = root / "sys"
        self.proc = root / "proc"
        self.dev = root / "dev"
        for folder in (self.sysfs, self.proc, self.dev):
            folder.mkdir(parents=True)
        self._count: dict[str, int] = {}

    def write(self, folder: Path, files: Mapping[str, object]) -> Path:
        """Files of one line each, made with their folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(f"{content}\n")
        return folder

    def link(self, place: Path, target: Path) -> None:
        """A link as sysfs has them in its class and bus folders."""
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def number(self, kind: str) -> int:
        """The next free number of a class."""
        self._count[kind] = self._count.get(kind, -1) + 1
        return self._count[kind]

    def i2c(self, place: str, driver: str) -> Path:
        """The folder of an I2C device that a driver owns."""
        bus = place.partition("-")[0]
        device = self.sysfs / "devices" / "platform" / f"i2c-{bus}" / place
        device.mkdir(parents=True, exist_ok=True)
        drivers = self.sysfs / "bus" / "i2c" / "drivers" / driver
        drivers.mkdir(parents=True, exist_ok=True)
        self.link(self.sysfs / "bus" / "i2c" / "devices" / place, device)
        self.link(drivers / place, device)
        self.link(device / "driver", drivers)
        return device

    def hwmon(self, name: str, files: Mapping[str, object], device: Path | None = None) -> Path:
        """A hwmon device, below the device it belongs to and in its class."""
        number = self.number("hwmon")
        parent = device or self.sysfs / "devices" / "virtual"
        folder = self.write(parent / "hwmon" / f"hwmon{number}", {"name": name, **files})
        if device is not None:
            self.link(folder / "device", device)
        self.link(self.sysfs / "class" / "hwmon" / f"hwmon{number}", folder)
        return folder

    def ina3221(self, place: str, rails: list[tuple[str, int, int]]) -> Path:
        """Labels, mV and mA of the three channels, through the hwmon driver."""
        files: dict[str, object] = {"in7_label": "sum of shunt voltages", "in7_input": 0}
        for number, (label, millivolts, milliamps) in enumerate(rails, 1):
            files[f"in{number}_label"] = label
            files[f"in{number}_enable"] = 1
            files[f"in{number}_input"] = millivolts
            files[f"curr{number}_input"] = milliamps
        return self.hwmon("ina3221", files, self.i2c(place, "ina3221"))

    def ina3221x(self, place: str, rails: list[tuple[str, int, int]], unit: str = "") -> Path:
        """Labels, mV and mA of the three channels, through JetPack 4's iio driver."""
        folder = self.i2c(place, "ina3221x") / f"iio:device{self.number('iio')}"
        files: dict[str, object] = {"name": "ina3221x"}
        for number, (label, millivolts, milliamps) in enumerate(rails):
            files[f"rail_name_{number}"] = label
            files[f"in_voltage{number}_input"] = millivolts
            files[f"in_current{number}_input"] = f"{milliamps}{unit}"
            files[f"in_power{number}_input"] = millivolts * milliamps // 1000
        return self.write(folder, files)

    def zone(self, kind: str, millidegrees: int, trips: Mapping[str, int] | None = None) -> Path:
        """A thermal zone with trip points by kind."""
        folder = self.sysfs / "class" / "thermal" / f"thermal_zone{self.number('zone')}"
        files: dict[str, object] = {"type": kind, "temp": millidegrees}
        for number, (trip, temp) in enumerate((trips or {}).items()):
            files |= {f"trip_point_{number}_type": trip, f"trip_point_{number}_temp": temp}
            files |= {f"trip_point_{number}_hyst": 2000}
        return self.write(folder, files)

    def cooling(self, kind: str, state: int, top: int) -> Path:
        """A cooling device."""
        folder = self.sysfs / "class" / "thermal" / f"cooling_device{self.number('cooling')}"
        return self.write(folder, {"type": kind, "cur_state": state, "max_state": top})

    def policy(self, number: int, cpus: str, khz: int, top: int, low: int) -> Path:
        """A cpufreq policy."""
        folder = self.sysfs / "devices" / "system" / "cpu" / "cpufreq" / f"policy{number}"
        files = {"related_cpus": cpus, "cpuinfo_max_freq": top, "cpuinfo_min_freq": low}
        now = {"scaling_cur_freq": khz, "scaling_max_freq": top, "scaling_min_freq": low}
        return self.write(folder, files | now)

    def rapl(self, zone: str, name: str, energy: int, top: int = 262_143_328_850) -> Path:
        """A powercap zone."""
        folder = self.sysfs / "class" / "powercap" / zone
        return self.write(folder, {"name": name, "energy_uj": energy, "max_energy_range_uj": top})

    def busy(self, ticks: int, cores: int = 4) -> None:
        """/proc/stat, `ticks` being busy of all cores."""
        lines = [f"cpu  {ticks} 0 0 900 7 0 0 0 0 0"]
        lines += [f"cpu{core} {ticks // cores} 0 0 225 1 0 0 0 0 0" for core in range(cores)]
        (self.proc / "stat").write_text("\n".join(lines) + "\nintr 1 2 3\n")

    def process(self, pid: int, ticks: int) -> None:
        """/proc/PID/stat of a process with an awkward name."""
        fields = ["0"] * 10 + [str(ticks), "0"] + ["0"] * 30
        self.write(self.proc / str(pid), {"stat": f"{pid} (a ) b) S {' '.join(fields)}"})

    def memory(self, total_kb: int, available_kb: int) -> None:
        """/proc/meminfo."""
        rows = f"MemTotal: {total_kb:>10} kB\nMemFree: 1 kB\nMemAvailable: {available_kb} kB\n"
        (self.proc / "meminfo").write_text(rows)

    def pressure(self, what: str, some_us: int, full_us: int = 0) -> None:
        """/proc/pressure/WHAT."""
        averages = "avg10=0.00 avg60=0.00 avg300=0.00"
        rows = f"some {averages} total={some_us}\nfull {averages} total={full_us}"
        self.write(self.proc / "pressure", {what: rows})

    def host(self, cores: int = 4) -> None:
        """What every Linux has below /proc."""
        self.busy(1000, cores)
        self.memory(8_000_000, 5_000_000)
        for what in ("cpu", "memory", "io"):
            self.pressure(what, 0)


def pmic_answer(rails: Mapping[str, tuple[float, float]], supply_v: float = 5.09066) -> str:
    """What a Pi 5 prints for pmic_read_adc; `rails` are amps and volts by name, else 0."""
    lines: dict[int, str] = {}
    for name, (current, volt) in PI5_PAIRS.items():
        amps, volts = rails.get(name, (0.0, 0.0))
        lines[current] = f"{name + '_A':>16} current({current})={amps:.8f}A"
        lines[volt] = f"{name + '_V':>16} volt({volt})={volts:.8f}V"
    lines[24] = f"{'EXT5V_V':>16} volt(24)={supply_v:.8f}V"
    lines[25] = f"{'BATT_V':>16} volt(25)=0.00000000V"
    return "\n".join(lines[index] for index in sorted(lines)) + "\n"


def orin_nano(tree: Tree) -> None:
    """Orin Nano and NX: one INA3221, JetPack 5 and later."""
    rails = [("VDD_IN", 5016, 1240), ("VDD_CPU_GPU_CV", 5000, 320), ("VDD_SOC", 5008, 296)]
    tree.ina3221("1-0040", rails)
    _jetson(tree, cores=6, khz=1_510_400)


def agx_orin(tree: Tree) -> None:
    """AGX Orin: two INA3221, no rail for the whole, two channels not connected."""
    tree.hwmon("nvme", {"temp1_input": 40_000})  # so that the numbers do not start with ours
    rails = [("VDD_GPU_SOC", 19_000, 400), ("VDD_CPU_CV", 19_000, 100), ("VIN_SYS_5V0", 5000, 800)]
    tree.ina3221("1-0040", rails)
    tree.ina3221("1-0041", [("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 19_000, 60), ("NC", 0, 0)])
    _jetson(tree, cores=12, khz=2_201_600)


def thor(tree: Tree) -> None:
    """Thor: an INA3221 with an offset on its GPU rail, and an INA238 at the input."""
    rails = [
        ("VDD_GPU", 12_000, -32),
        ("VDD_CPU_SOC_MSS", 12_000, 542),
        ("VIN_SYS_5V0", 5000, 1304),
    ]
    tree.ina3221("1-0040", rails)
    files = {"in0_input": 1, "in1_input": 19_000, "curr1_input": 1052, "power1_input": 20_000_000}
    tree.hwmon("ina238", files, tree.i2c("1-0044", "ina238"))
    tree.write(tree.sysfs / "class" / "devfreq" / "gpu-gpc-0", {"cur_freq": 1_575_000_000})
    _jetson(tree, cores=14, khz=2_601_000)


def xavier_nx(tree: Tree) -> None:
    """Xavier NX with JetPack 5."""
    rails = [("VDD_IN", 5032, 900), ("VDD_CPU_GPU_CV", 5032, 200), ("VDD_SOC", 5032, 300)]
    tree.ina3221("7-0040", rails)
    _jetson(tree, cores=6, khz=1_907_200)


def xavier_nx_jp4(tree: Tree) -> None:
    """Xavier NX with JetPack 4."""
    rails = [("VDD_IN", 5032, 900), ("VDD_CPU_GPU_CV", 5032, 200), ("VDD_SOC", 5032, 300)]
    tree.ina3221x("7-0040", rails)
    tree.zone("AO-therm", 38_000)
    tree.zone("PMIC-Die", 100_000)
    tree.host(6)


def nano(tree: Tree) -> None:
    """Jetson Nano 4 GB, JetPack 4; its currents may carry a unit."""
    rails = [("POM_5V_IN", 5008, 560), ("POM_5V_GPU", 5008, 40), ("POM_5V_CPU", 5008, 200)]
    tree.ina3221x("6-0040", rails, unit=" ma")
    tree.zone("CPU-therm", 41_500, {"hot": 98_500, "critical": 102_500})
    tree.host(4)


def pi5(tree: Tree) -> None:
    """Raspberry Pi 5, with a folder of answers in place of the firmware's mailbox."""
    _raspberry(tree, khz=2_400_000)
    tree.hwmon("pwmfan", {"fan1_input": 3120, "pwm1": 75, "pwm1_enable": 1})
    rails = {"VDD_CORE": (6.22421, 0.861733), "DDR_VDD2": (0.09, 1.1), "3V3_SYS": (0.12, 3.3)}
    answers = {"pmic_read_adc": pmic_answer(rails), "get_throttled": "throttled=0x0"}
    tree.write(tree.dev / "vcio", answers)


def pi4(tree: Tree) -> None:
    """Raspberry Pi 4: no power sensor, a firmware that knows no PMIC."""
    _raspberry(tree, khz=1_800_000)
    error = 'error=1 error_msg="Command not registered"'
    tree.write(tree.dev / "vcio", {"pmic_read_adc": error, "get_throttled": "throttled=0x50005"})


def x86(tree: Tree) -> None:
    """An x86 mini PC with RAPL, one package of two cores."""
    tree.rapl("intel-rapl:0", "package-0", 1_000_000)
    tree.rapl("intel-rapl:0:0", "core", 600_000)
    tree.rapl("intel-rapl:0:1", "uncore", 100_000)
    tree.rapl("intel-rapl:1", "psys", 3_000_000)
    tree.rapl("intel-rapl-mmio:0", "package-0", 1_000_000)
    (tree.sysfs / "class" / "powercap" / "intel-rapl").mkdir()
    labels = {"temp1_label": "Package id 0", "temp2_label": "Core 0", "temp3_label": "Core 1"}
    temps = {"temp1_input": 52_000, "temp2_input": 50_000, "temp3_input": 49_000}
    tree.hwmon("coretemp", labels | temps)
    tree.zone("acpitz", 27_800, {"critical": 119_000})
    tree.zone("x86_pkg_temp", 52_000, {"passive": 0})
    for cpu in range(4):
        folder = tree.sysfs / "devices" / "system" / "cpu" / f"cpu{cpu}"
        tree.write(folder / "topology", {"physical_package_id": 0, "core_id": cpu % 2})
        counts = {"core_throttle_count": 3 + cpu % 2, "package_throttle_count": 7}
        tree.write(folder / "thermal_throttle", counts)
        tree.policy(cpu, str(cpu), 2_100_000, 3_400_000, 400_000)
    tree.host(4)


BOARDS: dict[str, Callable[[Tree], None]] = {
    "orin-nano": orin_nano,
    "agx-orin": agx_orin,
    "thor": thor,
    "xavier-nx": xavier_nx,
    "xavier-nx-jp4": xavier_nx_jp4,
    "nano": nano,
    "pi5": pi5,
    "pi4": pi4,
    "x86": x86,
}


def _jetson(tree: Tree, cores: int, khz: int) -> None:
    for number, kind in enumerate(ORIN_ZONES):
        trips = {"passive": 99_000, "critical": 104_500} if kind == "cpu-thermal" else {}
        tree.zone(kind, 45_000 + 250 * number, trips)
    tree.cooling("cpu-throttle-alert", 0, 1)
    tree.cooling("pwm-fan", 2, 4)
    tree.hwmon("pwmfan", {"pwm1": 102, "pwm1_enable": 1})
    tree.hwmon("pwm_tach", {"rpm": 2310})
    for first in range(0, cores, 4):
        cpus = " ".join(str(c) for c in range(first, min(first + 4, cores)))
        tree.policy(first, cpus, khz // 2, khz, 115_200)
    tree.write(tree.sysfs / "class" / "devfreq" / "17000000.gpu", {"cur_freq": 306_000_000})
    tree.host(cores)


def _raspberry(tree: Tree, khz: int) -> None:
    tree.zone("cpu-thermal", 48_300, {"critical": 110_000})
    platform = tree.sysfs / "devices" / "platform"
    tree.write(platform / "soc" / "soc:firmware", {"get_throttled": "50005"})
    labels = {"in0_label": "core", "in1_label": "sdram_c", "in0_lcrit_alarm": 1}
    tree.hwmon("rpi_volt", labels | {"in0_input": 880, "in1_input": 600})
    tree.policy(0, "0 1 2 3", khz // 2, khz, 600_000)
    tree.host(4)
