"""What the machine says of itself: which board it is, by the marks of a profile, and its cores."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from edge_rt.board.readers.sysfs import first_integer, first_line, open_regular
from edge_rt.config.board import Board
from edge_rt.core.reports.board import BoardName

_LIMIT = 1 << 20  # bytes; none of these files comes near it
_TREES = ("proc/device-tree", "sys/firmware/devicetree/base")
_PART = re.compile(r"\bp(\d{4})-(\d{4})")
_SPEC = re.compile(r"^(?:TNSPEC|COMPATIBLE_SPEC)\s+(\d{4})-\w+-(\d{4})-", re.MULTILINE)
_MODE = re.compile(r"<\s*POWER_MODEL\s+ID=\d+\s+NAME=(\S+)")
_DMI = ("sys_vendor", "product_name", "board_name")
_CONFIDENCES: tuple[Confidence, ...] = ("generic", "family", "exact")
# The kernel never has all the memory that is fitted, and sizes come in powers of two.
_LEAST_SHARE = 0.6

CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class MachineIdentity:
    """Everything by which a board can be told; None or empty where the machine does not say."""

    model: str | None = None  # of the device tree
    compatible: tuple[str, ...] = ()  # of the device tree, most specific first
    part_numbers: tuple[str, ...] = ()  # NVIDIA's, of module and carrier: "p3767-0005"
    dmi: str | None = None  # vendor and product
    cpu: str | None = None
    architecture: str | None = None  # as uname has it: "x86_64", "aarch64"
    memory_bytes: int | None = None  # what the kernel has, somewhat less than is fitted
    super_modes: bool = False  # NVIDIA's Super power modes are installed

    @classmethod
    def read(cls, root: Path = Path("/")) -> MachineIdentity:
        """Return what is under `root`; a file that is missing or senseless counts as silent."""
        model, compatible, dts = _device_tree(root)
        cpuinfo = _fields(_text(root / "proc/cpuinfo"))
        boot = _text(root / "etc/nv_boot_control.conf")
        modes = _MODE.findall(_text(root / "etc/nvpmodel.conf"))
        return cls(
            model=model or cpuinfo.get("Model"),
            compatible=compatible,
            part_numbers=_part_numbers(" ".join(compatible), dts, boot),
            dmi=" ".join(_dmi(root)) or None,
            cpu=cpuinfo.get("model name") or cpuinfo.get("Hardware"),
            architecture=_architecture(cpuinfo),
            memory_bytes=_memory_bytes(root),
            super_modes=any("_SUPER" in mode for mode in modes)
            or any(name.endswith("-super") for name in compatible)
            or "-super" in boot,
        )


def _device_tree(root: Path) -> tuple[str | None, tuple[str, ...], str]:
    """Model, compatible strings, and the source file that NVIDIA's older kernels name."""
    for tree in _TREES:
        model = _strings(root / tree / "model")
        compatible = _strings(root / tree / "compatible")
        if model or compatible:
            dts = " ".join(_strings(root / tree / "nvidia,dtsfilename"))
            return (model[0] if model else None), compatible, dts
    return None, (), ""


def _part_numbers(compatible: str, dts: str, boot: str) -> tuple[str, ...]:
    pairs = _PART.findall(f"{compatible} {Path(dts).name}") + _SPEC.findall(boot)
    return tuple(dict.fromkeys(f"p{board}-{variant}" for board, variant in pairs))


def _dmi(root: Path) -> list[str]:
    texts = [_text(root / "sys/class/dmi/id" / name).strip() for name in _DMI]
    return [text for text in dict.fromkeys(texts) if text]


def _architecture(cpuinfo: dict[str, str]) -> str | None:
    if "vendor_id" in cpuinfo:
        return "x86_64" if "lm" in cpuinfo.get("flags", "").split() else "i686"
    if "CPU architecture" in cpuinfo:
        return "aarch64" if cpuinfo["CPU architecture"] in ("8", "AArch64") else "armv7l"
    return None


def _memory_bytes(root: Path) -> int | None:
    value, _, unit = _fields(_text(root / "proc/meminfo")).get("MemTotal", "").partition(" ")
    if unit != "kB" or not (value.isascii() and value.isdigit() and len(value) < 16):
        return None
    return int(value) * 1024 or None


def _fields(text: str) -> dict[str, str]:
    """Return the fields of "NAME : VALUE" lines; of equal names the first processor's."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def _strings(path: Path) -> tuple[str, ...]:
    """Return the strings of a device tree property, each ended by NUL."""
    return tuple(text.strip() for text in _text(path).split("\0") if text.strip())


def _text(path: Path) -> str:
    try:
        with open(path, "rb", opener=open_regular) as file:
            return file.read(_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""


Confidence = Literal["exact", "family", "generic"]


class _Sign(NamedTuple):
    """One mark that was found; `weight` says how much it tells beside another."""

    weight: int
    rank: int  # in _CONFIDENCES
    by: str


def detect(boards: Mapping[str, Board], root: Path = Path("/")) -> BoardName | None:
    """Return the profile in `boards` of the machine whose files lie under `root`, or None."""
    return recognise(boards, MachineIdentity.read(root))


def recognise(boards: Mapping[str, Board], identity: MachineIdentity) -> BoardName | None:
    """Return the profile in `boards` that fits `identity` best.

    Of equals the last, a user's own.
    """
    best: tuple[tuple[int, int, bool], BoardName] | None = None
    for name, board in boards.items():
        signs = list(_signs(board, identity))
        if not signs or (board.match.super_modes and not identity.super_modes):
            continue
        # A module's number tells more than the name of the kit that it sits in.
        sign = max(signs, key=lambda sign: (sign.weight, sign.rank))
        fit = (sign.rank, sign.weight, board.match.super_modes)
        if best is None or fit >= best[0]:
            best = fit, BoardName(name, board.name, sign.by, _CONFIDENCES[sign.rank])
    return best[1] if best else None


def _signs(board: Board, identity: MachineIdentity) -> Iterator[_Sign]:
    marks, sizes, memory = board.match, board.memory_sizes_bytes, identity.memory_bytes
    fits = not sizes or memory is None
    fits = fits or any(_LEAST_SHARE * size <= (memory or 0) <= size for size in sizes)
    of_it = (marks.part_numbers, marks.compatible, marks.models, marks.dmi)
    for weight, by in _found(identity, *of_it):
        yield _Sign(weight, 2 if fits else 1, by)
    for weight, by in _found(identity, *(4 * (marks.family,))):
        yield _Sign(weight, 1, by)
    if identity.architecture in marks.architectures:
        yield _Sign(0, 0, f"processor architecture {identity.architecture}")


def _found(
    identity: MachineIdentity,
    part_numbers: Sequence[str],
    compatible: Sequence[str],
    models: Sequence[str],
    dmi: Sequence[str],
) -> Iterator[tuple[int, str]]:
    for number in identity.part_numbers:
        if number in part_numbers:
            yield 4, f"part number {number}"
    for name in identity.compatible:
        if name in compatible:
            yield 3, f"device tree compatible {name!r}"
    if identity.model and identity.model.startswith(tuple(models)):
        yield 2, f"device tree model {identity.model!r}"
    if identity.dmi and identity.dmi.startswith(tuple(dmi)):
        yield 1, f"firmware tables {identity.dmi!r}"


def usable_cores(cpus: Path = CPUS, allowed: Collection[int] | None = None) -> int:
    """Return the most threads that are worth while on the CPUs `allowed`, or this process's own.

    Second threads of a core give ggml nothing. A pass is over when its slowest thread is: on a
    processor with cores of several kinds the slow ones count only where there are enough of them
    to make up for what the fast ones then wait.
    """
    speeds = sorted(_cores(cpus, os.sched_getaffinity(0) if allowed is None else allowed).values())
    speeds.reverse()
    return max(range(1, len(speeds) + 1), key=lambda count: count * speeds[count - 1])


def _cores(cpus: Path, allowed: Collection[int]) -> dict[str, int]:
    """Return the speed of each core, by the numbers of its CPUs.

    Equal where the kernel tells none.
    """
    found: dict[str, int] = {}
    for number in allowed:
        cpu = cpus / f"cpu{number}"
        core = first_line(cpu / "topology" / "thread_siblings_list") or str(number)
        found[core] = first_integer(cpu / "cpu_capacity") or 1
    return found
