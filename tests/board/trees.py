"""Builds the sysfs, procfs and device files of each board, as its kernel lays them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge_rt.testing.board import FakeBoard

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


def pmic_answer(rails: Mapping[str, tuple[float, float]], supply_v: float = 5.09066) -> str:
    """Return what a Pi 5 prints for pmic_read_adc; `rails` are amps and volts by name, else 0."""
    lines: dict[int, str] = {}
    for name, (current, volt) in PI5_PAIRS.items():
        amps, volts = rails.get(name, (0.0, 0.0))
        lines[current] = f"{name + '_A':>16} current({current})={amps:.8f}A"
        lines[volt] = f"{name + '_V':>16} volt({volt})={volts:.8f}V"
    lines[24] = f"{'EXT5V_V':>16} volt(24)={supply_v:.8f}V"
    lines[25] = f"{'BATT_V':>16} volt(25)=0.00000000V"
    return "\n".join(lines[index] for index in sorted(lines)) + "\n"


def orin_nano(tree: FakeBoard) -> None:
    """Orin Nano and NX: one INA3221, JetPack 5 and later."""
    rails = [("VDD_IN", 5016, 1240), ("VDD_CPU_GPU_CV", 5000, 320), ("VDD_SOC", 5008, 296)]
    tree.ina3221("1-0040", rails)
    _jetson(tree, cores=6, khz=1_510_400)


def agx_orin(tree: FakeBoard) -> None:
    """AGX Orin: two INA3221, no rail for the whole, two channels not connected."""
    tree.hwmon("nvme", {"temp1_input": 40_000})  # so that the numbers do not start with ours
    rails = [("VDD_GPU_SOC", 19_000, 400), ("VDD_CPU_CV", 19_000, 100), ("VIN_SYS_5V0", 5000, 800)]
    tree.ina3221("1-0040", rails)
    tree.ina3221("1-0041", [("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 19_000, 60), ("NC", 0, 0)])
    _jetson(tree, cores=12, khz=2_201_600)


def thor(tree: FakeBoard) -> None:
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


def xavier_nx(tree: FakeBoard) -> None:
    """Xavier NX with JetPack 5."""
    rails = [("VDD_IN", 5032, 900), ("VDD_CPU_GPU_CV", 5032, 200), ("VDD_SOC", 5032, 300)]
    tree.ina3221("7-0040", rails)
    _jetson(tree, cores=6, khz=1_907_200)


def xavier_nx_jp4(tree: FakeBoard) -> None:
    """Xavier NX with JetPack 4."""
    rails = [("VDD_IN", 5032, 900), ("VDD_CPU_GPU_CV", 5032, 200), ("VDD_SOC", 5032, 300)]
    tree.ina3221x("7-0040", rails)
    tree.zone("AO-therm", 38_000)
    tree.zone("PMIC-Die", 100_000)
    tree.host(6)


def nano(tree: FakeBoard) -> None:
    """Jetson Nano 4 GB, JetPack 4; its currents may carry a unit."""
    rails = [("POM_5V_IN", 5008, 560), ("POM_5V_GPU", 5008, 40), ("POM_5V_CPU", 5008, 200)]
    tree.ina3221x("6-0040", rails, unit=" ma")
    tree.zone("CPU-therm", 41_500, {"hot": 98_500, "critical": 102_500})
    tree.host(4)


def pi5(tree: FakeBoard) -> None:
    """Raspberry Pi 5, with a folder of answers in place of the firmware's mailbox."""
    _raspberry(tree, khz=2_400_000)
    tree.hwmon("pwmfan", {"fan1_input": 3120, "pwm1": 75, "pwm1_enable": 1})
    rails = {"VDD_CORE": (6.22421, 0.861733), "DDR_VDD2": (0.09, 1.1), "3V3_SYS": (0.12, 3.3)}
    answers = {"pmic_read_adc": pmic_answer(rails), "get_throttled": "throttled=0x0"}
    tree.write(tree.dev / "vcio", answers)


def pi4(tree: FakeBoard) -> None:
    """Raspberry Pi 4: no power sensor, a firmware that knows no PMIC."""
    _raspberry(tree, khz=1_800_000)
    error = 'error=1 error_msg="Command not registered"'
    tree.write(tree.dev / "vcio", {"pmic_read_adc": error, "get_throttled": "throttled=0x50005"})


def x86(tree: FakeBoard) -> None:
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


BOARDS: dict[str, Callable[[FakeBoard], None]] = {
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


def _jetson(tree: FakeBoard, cores: int, khz: int) -> None:
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


def _raspberry(tree: FakeBoard, khz: int) -> None:
    tree.zone("cpu-thermal", 48_300, {"critical": 110_000})
    platform = tree.sysfs / "devices" / "platform"
    tree.write(platform / "soc" / "soc:firmware", {"get_throttled": "50005"})
    labels = {"in0_label": "core", "in1_label": "sdram_c", "in0_lcrit_alarm": 1}
    tree.hwmon("rpi_volt", labels | {"in0_input": 880, "in1_input": 600})
    tree.policy(0, "0 1 2 3", khz // 2, khz, 600_000)
    tree.host(4)
