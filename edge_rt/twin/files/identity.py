"""By what a simulated board is recognised: device tree, power modes, firmware tables, cpuinfo."""

from __future__ import annotations

from edge_rt.twin.files.folders import Folders
from edge_rt.twin.shape import Shape

_ARM = "processor\t: {}\nBogoMIPS\t: 38.40\nCPU architecture: 8\n\n"
_X86 = (
    "processor\t: {}\nvendor_id\t: GenuineIntel\nmodel name\t: Simulated processor\n"
    "flags\t\t: fpu lm sse sse2\n\n"
)


def write_identity(folders: Folders, shape: Shape) -> None:
    """Every mark that the profile wants of its board, and no other board's."""
    match = shape.board.match
    x86 = "x86_64" in match.architectures
    cpus = "".join((_X86 if x86 else _ARM).format(core) for core in range(shape.cores))
    (folders.proc / "cpuinfo").write_text(cpus)
    if match.models or shape.compatible:
        tree = folders.sysfs / "firmware" / "devicetree" / "base"
        tree.mkdir(parents=True)
        folders.link(folders.proc / "device-tree", tree)
        model = next(iter(match.models), shape.board.name)
        (tree / "model").write_bytes(f"{model}\0".encode())
        compatible = "".join(f"{name}\0" for name in shape.compatible)
        (tree / "compatible").write_bytes(compatible.encode())
    if match.dmi:
        folders.write(folders.sysfs / "class" / "dmi" / "id", {"product_name": match.dmi[0]})
    if shape.board.power_modes:
        modes = enumerate(shape.board.power_modes)
        rows = "".join(f"< POWER_MODEL ID={number} NAME={name} >\n" for number, name in modes)
        (folders.etc / "nvpmodel.conf").write_text(rows)
