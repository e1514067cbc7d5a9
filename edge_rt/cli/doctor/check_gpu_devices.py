"""Whether the service's unit lets it open the devices of a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from edge_rt.board.readers.clocks import GPU_ENDS
from edge_rt.cli.doctor.check_daemon import SERVICE, UNITS
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.doctor.remedies import word
from edge_rt.cli.options import text, there
from edge_rt.core.reports.finding import Finding, note, ok, problem

_GPU_ENDS = [f"*{end}" for end in GPU_ENDS]
_GPU_DRIVERS = ("nvhost*", "nvidia*", *_GPU_ENDS, "gpu-gpc*", "gpu.*", "gpu")  # in /proc/devices


def check_gpu_devices(machine: ExaminedMachine) -> Iterator[Finding]:
    """Check that the service's unit allows the devices of a Jetson's or an NVIDIA card's GPU."""
    allowed = _allowed(machine)
    drivers = [name for name in _drivers(machine) if _fits(name, _GPU_DRIVERS)]
    if not drivers or allowed is None:
        return
    shut = [name for name in drivers if not _fits(name, allowed)]
    if not shut:
        yield ok("gpu devices", f"the service may open those of {', '.join(drivers)}")
        return
    what = f"the service finds no GPU: DeviceAllow= of its unit lacks {', '.join(shut)}"
    lines = [f"DeviceAllow=char-{name} rw" for name in shut]
    sudo, folder = machine.user.sudo, f"/etc/systemd/system/{SERVICE}.d"
    remedy = (
        f"{sudo}mkdir -p {folder}",
        f"printf '%s\\n' '[Service]' {' '.join(map(word, lines))} | {sudo}tee {folder}/gpu.conf",
        f"{sudo}systemctl daemon-reload",
        f"{sudo}systemctl restart edge-rt",
    )
    judged = problem if any(machine.config.engine.offloads) else note
    yield judged("gpu devices", what, *remedy)


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _drivers(machine: ExaminedMachine) -> list[str]:
    """Return the names of character devices in /proc/devices, each once."""
    listed, _, _ = text(machine.file("proc/devices")).partition("\n\n")
    rows = (line.split(maxsplit=1) for line in listed.splitlines())
    return list(dict.fromkeys(row[1] for row in rows if len(row) == 2 and row[0].isdigit()))


def _allowed(machine: ExaminedMachine) -> tuple[str, ...] | None:
    """Return the names in /proc/devices that the unit allows; None: all, or there is no unit."""
    folders = [machine.file(place) for place in UNITS]
    unit = next((folder / SERVICE for folder in folders if there(folder / SERVICE)), None)
    if unit is None:
        return None
    drop_ins = [path for folder in folders for path in (folder / f"{SERVICE}.d").glob("*.conf")]
    allowed, closed = list[str](), False
    for path in (unit, *sorted(drop_ins, key=lambda path: path.name)):
        for row in text(path).splitlines():
            key, _, value = row.partition("=")
            if key == "DeviceAllow" and not value:
                allowed.clear()
            elif key == "DeviceAllow" and value.startswith("char-"):
                allowed.append(value.split()[0].removeprefix("char-"))
            elif key == "DevicePolicy":
                closed = value != "auto"
    return tuple(allowed) if closed or allowed else None
