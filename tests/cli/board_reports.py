"""What daemons on several boards would report, for the commands that show it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
REFUSED = (
    "{} may only be read by root: put this line into /etc/udev/rules.d/70-edge-rt.rules: "
    'ACTION=="add", SUBSYSTEM=="powercap", KERNEL=="intel-rapl*:*", '
    'RUN+="/bin/chgrp edge-rt /sys%p/energy_uj", RUN+="/bin/chmod 0440 /sys%p/energy_uj" '
    "and run: udevadm control --reload && udevadm trigger --action=add"
)


def channel(reader: str, name: str, kind: str, value: float | None, **others: Any) -> Json:
    """One channel with a current value; `others` go before what is usual."""
    usual = {"last": value, "age_s": 0.1, "error": None, "quality": "measured"}
    source = f"/sys/{reader}/{name}"
    told = {"reader": reader, "name": name, "kind": kind, "value": value, "source": source}
    return told | usual | others


def rail(reader: str, name: str, volts: float, amps: float, **others: Any) -> list[Json]:
    """Power, voltage and current of one rail."""
    figures = (("power_w", volts * amps), ("voltage_v", volts), ("current_a", amps))
    return [channel(reader, name, kind, value, **others) for kind, value in figures]


def energy(name: str, joules: float, missing_s: float = 0.0) -> Json:
    """The joules of one rail over a minute."""
    return {"name": name, "energy_j": joules, "covered_s": 60.0, "missing_s": missing_s}


def host() -> list[Json]:
    """Return what every Linux tells."""
    return [
        channel("cpu-load", "cpu", "fraction", 0.25),
        channel("memory", "memory available", "bytes", 5.0 * 2**30),
        channel("memory", "memory total", "bytes", 7.5 * 2**30),
    ]


def nothing(**others: Any) -> Json:
    """A board of which nothing is felt; `others` go before that."""
    report: Json = {
        "board": None,
        "root": "/",
        "simulated": False,
        "supply": None,
        "temp_c": None,
        "throttled": None,
        "channels": [],
        "energies": [],
        "not_read": [],
    }
    return report | others


def agx_orin() -> Json:
    """Four rails of which three form the total, and many zones and clocks."""
    zones = ("cpu-thermal", "gpu-thermal", "cv0-thermal", "soc0-thermal", "tj-thermal")
    rails = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO")
    channels = [c for name in reversed(rails) for c in rail("ina3221", name, 19.0, 0.4)]
    channels += [channel("thermal", z, "temp_c", 45.0 + n) for n, z in enumerate(zones)]
    channels += [channel("thermal", "pwm-fan", "fraction", 0.5)]
    for policy in ("policy0", "policy4", "policy8"):
        limits = (("", 1.1e9), (" max", 2.2e9), (" min", 1.15e8))
        channels += [channel("cpufreq", policy + end, "clock_hz", hz) for end, hz in limits]
    channels += [
        channel("devfreq", "17000000.gpu", "clock_hz", 3.06e8),
        channel("fan", "pwm_tach", "rpm", 2310.0),
        channel("fan", "pwmfan", "fraction", 0.4),
    ]
    return nothing(
        board={
            "id": "jetson-agx-orin-64gb",
            "name": "Jetson AGX Orin 64GB",
            "by": "device tree compatible 'nvidia,p3737-0000+p3701-0005'",
            "confidence": "exact",
        },
        supply={
            "rails": list(rails[:3]),
            "covers": "module",
            "quality": "measured",
            "power_w": 22.8,
            "idle_w": 9.5,
            "energy_j": 1368.0,
            "covered_s": 60.0,
            "missing_s": 2.5,
        },
        temp_c=49.0,
        hottest={"name": "tj-thermal", "temp_c": 49.0, "trip_c": 99.0},
        nearest={"name": "cpu-thermal", "temp_c": 45.0, "trip_c": 80.0},
        not_counted={"soc0-thermal": "it is a radio's"},
        throttled=[],
        channels=channels + host(),
        energies=[energy(name, 456.0, 2.5) for name in rails],
        not_read=[{"name": "/sys/class/hwmon/hwmon2/in1", "reason": "labelled NC: not connected"}],
    )


def pi5() -> Json:
    """Many rails, flags, and all of it simulated."""
    names = [f"RAIL_{number}" for number in range(12)]
    channels = [c for n in names for c in rail("pi-pmic", n, 1.1, 0.45, quality="modelled")]
    channels += [
        channel("pi-pmic", "EXT5V", "voltage_v", 5.09, quality="modelled"),
        channel("thermal", "cpu-thermal", "temp_c", 61.25, quality="modelled"),
        channel("pi-throttled", "under_voltage", "flag", 1.0, quality="modelled"),
        channel("pi-throttled", "soft_temperature_limit_occurred", "flag", 0.0),
        channel("cpufreq", "policy0", "clock_hz", 2.4e9, quality="modelled"),
    ]
    board = {"id": "raspberry-pi-5", "name": "Raspberry Pi 5", "by": "b", "confidence": "exact"}
    supply = {"rails": names, "covers": "regulators", "quality": "modelled", "power_w": 5.94}
    return nothing(
        board=board,
        root="/tmp/twin",
        simulated=True,
        supply=supply | {"energy_j": 356.4, "covered_s": 60.0, "missing_s": 0.0},
        temp_c=61.25,
        throttled=["under-voltage"],
        channels=channels + host(),
        energies=[energy(name, 29.7) for name in names],
    )


def x86() -> Json:
    """Energy counters that may not be read, a zone that is stale, a count."""
    channels: list[Json] = []
    for number, name in enumerate(("package-0", "package-0/core", "psys")):
        source = f"/sys/class/powercap/intel-rapl:{number}/energy_uj"
        gone = {"last": None, "age_s": None, "error": REFUSED.format(source), "source": source}
        channels += [channel("rapl", name, kind, None, **gone) for kind in ("power_w", "energy_j")]
    stale = {"last": 52.0, "age_s": 12.0, "error": "temp: EIO (Input/output error)"}
    channels += [
        channel("thermal", "x86_pkg_temp", "temp_c", None, **stale),
        channel("hwmon-temp", "coretemp Core 0", "temp_c", 50.0),
        channel("thermal_throttle", "package-0 throttled", "count", 7.0),
    ]
    energies = [
        {"name": name, "energy_j": 0.0, "covered_s": 0.0, "missing_s": 60.0}
        for name in ("package-0", "package-0/core", "psys")
    ]
    supply = {"rails": ["package-0"], "covers": "package", "quality": "measured"}
    unknown = {"power_w": None, "energy_j": 0.0, "covered_s": 0.0, "missing_s": 60.0}
    return nothing(
        board={"id": "generic-x86", "name": "PC", "by": "architecture", "confidence": "generic"},
        supply=supply | unknown,
        temp_c=50.0,
        channels=channels + host(),
        energies=energies,
    )


def booking(**others: Any) -> Json:
    """One request in the ledger."""
    usual: Json = {
        "ended": 1_795_000_000.0,
        "model": "smollm2-135m-instruct",
        "status": "done",
        "prompt_tokens": 12,
        "cached_tokens": 0,
        "completion_tokens": 64,
        "seconds": 2.31,
        "busy_s": 1.5,
        "energy_j": 12.4,
        "quality": "measured",
        "power_w": 5.93,
        "temp_c": 61.2,
        "answer_id": "chatcmpl-1b9d6bcd6bbfd4b2d9b5a7c1",
    }
    return usual | others


def model_total(**others: Any) -> Json:
    """Return what one model took on one day."""
    usual: Json = {
        "day": "2026-11-25",
        "model": "smollm2-135m-instruct",
        "requests": 12,
        "unresolved": 0,
        "prompt_tokens": 144,
        "cached_tokens": 0,
        "completion_tokens": 1000,
        "busy_s": 18.0,
        "energy_j": 148.8,
    }
    return usual | others


def day_total(**others: Any) -> Json:
    """One day's joules."""
    usual: Json = {
        "day": "2026-11-25",
        "quality": "measured",
        "energy_j": 432_000.5,
        "attributed_j": 148.8,
        "unattributed_j": 431_851.7,
        "covered_s": 86_000.0,
        "missing_s": 12.5,
    }
    return usual | others


def ledger(**others: Any) -> Json:
    """A day, a model and two requests, of which one has no joules."""
    unknown = {"energy_j": None, "quality": "unresolved", "power_w": None, "temp_c": None}
    usual: Json = {
        "stored": True,
        "days": [day_total()],
        "models": [model_total()],
        "last": [booking(), booking(status="cancelled", **unknown)],
    }
    return usual | others


def status(**others: Any) -> Json:
    """Return what `top` needs of the daemon's state."""
    engine = {"state": "running", "threads": 4, "running": 1, "waiting": 0}
    tokens = {"prompt": 100, "cached": 0, "completion": 1000}
    usual = {"version": "0.1", "uptime_s": 3723.5, "engine": engine, "tokens": tokens}
    return usual | others
