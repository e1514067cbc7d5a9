"""Each board is told from its files; what is no board's is never an error."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from benchlib.boards import load_boards
from hypothesis import example, given
from hypothesis import strategies as st

from edge_rt.board.detection import MachineIdentity, detect, recognise
from edge_rt.config.board import Board, Match
from edge_rt.core.reports.board import BoardName

BOARDS = load_boards()
GIB = 1 << 30
ARM_CPU = "processor\t: 0\nBogoMIPS\t: 38.40\nCPU architecture: 8\n\nprocessor\t: 1\n"
X86_CPU = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: A CPU\nflags\t\t: fpu lm sse\n"
SUPER_MODES = "< POWER_MODEL ID=0 NAME=15W >\nX 1\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n"
ORIN = ("nvidia,p3768-0000+p3767-{}", "nvidia,p3767-{}", "nvidia,tegra234")
KIT = "NVIDIA Jetson {} Engineering Reference Developer Kit"
FILES = st.sampled_from(
    [
        *("proc/cpuinfo", "proc/meminfo", "etc/nvpmodel.conf", "etc/nv_boot_control.conf"),
        *("proc/device-tree/model", "proc/device-tree/compatible"),
        *("proc/device-tree/nvidia,dtsfilename", "sys/class/dmi/id/sys_vendor"),
    ]
)


def put(root: Path, path: str, content: str | bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content.encode() if isinstance(content, str) else content)


def machine(
    root: Path,
    *,
    model: str = "",
    compatible: tuple[str, ...] = (),
    memory_gib: float | None = None,
    cpu: str = ARM_CPU,
    **files: str,
) -> Path:
    """The files of a machine; strings of the device tree end in NUL, as the kernel has them."""
    put(root, "proc/cpuinfo", cpu)
    if model:
        put(root, "proc/device-tree/model", f"{model}\0")
    if compatible:
        put(root, "proc/device-tree/compatible", "".join(f"{name}\0" for name in compatible))
    if memory_gib is not None:  # the kernel keeps some for itself
        put(root, "proc/meminfo", f"MemTotal:  {int(memory_gib * 0.93 * (1 << 20))} kB\nX: 1 kB\n")
    for name, content in files.items():
        put(
            root,
            {"nvpmodel": "etc/nvpmodel.conf", "boot": "etc/nv_boot_control.conf"}[name],
            content,
        )
    return root


def orin(variant: str, suffix: str = "") -> tuple[str, ...]:
    first, *rest = (name.format(variant) for name in ORIN)
    return (first + suffix, *rest)


MACHINES = {
    "jetson-orin-nano-8gb": {
        "model": "NVIDIA Jetson Orin Nano Developer Kit",
        "compatible": orin("0005"),
        "memory_gib": 8,
        "nvpmodel": "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=7W >\n",
    },
    "jetson-orin-nano-super-8gb": {
        "model": KIT.format("Orin Nano") + " Super",
        "compatible": orin("0005", "-super"),
        "memory_gib": 8,
        "nvpmodel": SUPER_MODES,
    },
    "jetson-orin-nx-16gb": {
        "model": KIT.format("Orin NX"),
        "compatible": orin("0000"),
        "memory_gib": 16,
    },
    "jetson-orin-nx-super-16gb": {
        "model": "Some carrier board",
        "compatible": ("somebody,carrier", "nvidia,p3767-0000", "nvidia,tegra234"),
        "memory_gib": 16,
        "nvpmodel": SUPER_MODES,
    },
    "jetson-agx-orin-64gb": {
        "model": "NVIDIA Jetson AGX Orin Developer Kit",
        "compatible": ("nvidia,p3737-0000+p3701-0005", "nvidia,p3701-0005", "nvidia,tegra234"),
        "memory_gib": 64,
    },
    "jetson-xavier-nx": {
        "model": "NVIDIA Jetson Xavier NX Developer Kit",
        "compatible": ("nvidia,p3509-0000+p3668-0000", "nvidia,tegra194"),
        "memory_gib": 8,
    },
    "jetson-agx-xavier": {
        "model": "Jetson-AGX",
        "compatible": ("nvidia,p2972-0000", "nvidia,tegra194"),
        "memory_gib": 32,
    },
    "jetson-nano-4gb": {
        "model": "NVIDIA Jetson Nano Developer Kit",
        "compatible": (
            *("nvidia,p3449-0000-b00+p3448-0000-b00", "nvidia,jetson-nano", "nvidia,tegra210"),
        ),
        "memory_gib": 4,
    },
    "jetson-thor-t5000": {
        "model": "NVIDIA Jetson AGX Thor Developer Kit",
        "compatible": ("nvidia,p4071-0000+p3834-0008", "nvidia,p3834-0008", "nvidia,tegra264"),
        "memory_gib": 128,
    },
    "raspberry-pi-4b": {
        "model": "Raspberry Pi 4 Model B Rev 1.4",
        "compatible": ("raspberrypi,4-model-b", "brcm,bcm2711"),
        "memory_gib": 1,
    },
    "raspberry-pi-5": {
        "model": "Raspberry Pi 5 Model B Rev 1.0",
        "compatible": ("raspberrypi,5-model-b", "brcm,bcm2712"),
        "memory_gib": 16,
    },
}


@pytest.mark.parametrize("name", MACHINES)
def test_each_board_is_recognised(tmp_path: Path, name: str) -> None:
    found = detect(BOARDS, machine(tmp_path, **MACHINES[name]))
    assert found is not None
    assert (found.id, found.confidence) == (name, "exact")
    assert found.by.startswith(("part number", "device tree"))


@pytest.mark.parametrize(("name", "cpu"), [("generic-x86", X86_CPU), ("generic-arm64", ARM_CPU)])
def test_anything_else_is_known_by_its_processors(tmp_path: Path, name: str, cpu: str) -> None:
    put(tmp_path, "sys/class/dmi/id/sys_vendor", "Some Vendor\n")
    found = detect(BOARDS, machine(tmp_path, cpu=cpu, model="Some board", memory_gib=8))
    assert found is not None
    assert (found.id, found.confidence) == (name, "generic")


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("jetson-orin-nano-8gb", {"compatible": orin("0004"), "memory_gib": 4}),
        ("jetson-orin-nx-16gb", {"compatible": orin("0001"), "memory_gib": 8}),
        ("jetson-orin-nx-16gb", {"model": KIT.format("Orin NX"), "memory_gib": 8}),
        ("jetson-orin-nano-super-8gb", {"compatible": orin("0004", "-super"), "memory_gib": 4}),
        (
            "jetson-agx-orin-64gb",
            {"model": "NVIDIA Jetson AGX Orin Developer Kit", "memory_gib": 32},
        ),
        (
            "jetson-agx-orin-64gb",  # the industrial module in the kit, with as much memory
            {
                "model": "NVIDIA Jetson AGX Orin Developer Kit",
                "compatible": ("nvidia,p3737-0000+p3701-0008",),
                "memory_gib": 64,
            },
        ),
        (
            "jetson-nano-4gb",
            {"model": "NVIDIA Jetson Nano 2GB Developer Kit", "memory_gib": 2},
        ),
        ("raspberry-pi-4b", {"compatible": ("raspberrypi,400", "brcm,bcm2711"), "memory_gib": 4}),
        ("raspberry-pi-5", {"compatible": ("raspberrypi,5-compute-module", "brcm,bcm2712")}),
    ],
)
def test_a_variant_is_of_the_family(tmp_path: Path, name: str, facts: dict[str, object]) -> None:
    found = detect(BOARDS, machine(tmp_path, **facts))  # type: ignore[arg-type]
    assert found is not None
    assert (found.id, found.confidence) == (name, "family")


def test_memory_tells_variants_of_one_name_apart(tmp_path: Path) -> None:
    kit = "NVIDIA Jetson AGX Orin Developer Kit"
    found = detect(BOARDS, machine(tmp_path, model=kit, memory_gib=64))
    assert found is not None
    assert found.confidence == "exact"


@pytest.mark.parametrize(
    "files",
    [
        {"compatible": orin("0005"), "nvpmodel": SUPER_MODES},
        {"compatible": orin("0005", "-super")},
        {"boot": "TNSPEC 3767-300-0005-S.1-1-1-jetson-orin-nano-devkit-super-\n"},
    ],
)
def test_super_is_told_by_modes_device_tree_or_boot_file(
    tmp_path: Path, files: dict[str, str]
) -> None:
    found = detect(BOARDS, machine(tmp_path, **files))  # type: ignore[arg-type]
    assert found is not None
    assert found.id == "jetson-orin-nano-super-8gb"


def test_a_part_number_may_stand_in_the_boot_file_only(tmp_path: Path) -> None:
    boot = "TNSPEC 3767-300-0005-X.1-1-1-jetson-orin-nano-devkit-\n"
    found = detect(BOARDS, machine(tmp_path, model="A carrier", boot=boot))
    board = BOARDS["jetson-orin-nano-8gb"]
    assert found == BoardName(board.id, board.name, "part number p3767-0005", "exact")


def test_older_kernels_name_the_part_in_the_trees_source_file(tmp_path: Path) -> None:
    machine(tmp_path, model="A carrier")
    source = "/build/p9999-9999/tegra210-p3448-0000-p3449-0000-b00.dts\0"
    put(tmp_path, "proc/device-tree/nvidia,dtsfilename", source)
    assert MachineIdentity.read(tmp_path).part_numbers == ("p3448-0000", "p3449-0000")


def test_the_device_tree_is_found_at_its_other_place(tmp_path: Path) -> None:
    put(tmp_path, "sys/firmware/devicetree/base/compatible", "raspberrypi,5-model-b\0")
    found = detect(BOARDS, tmp_path)
    assert found is not None
    assert found.id == "raspberry-pi-5"


def test_without_a_device_tree_cpuinfo_names_the_pi(tmp_path: Path) -> None:
    cpu = f"{ARM_CPU}\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"
    found = detect(BOARDS, machine(tmp_path, cpu=cpu))
    assert found is not None
    assert found.id == "raspberry-pi-5"


def test_a_users_board_is_found_by_its_firmware_tables(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/dmi/id/sys_vendor", "Intel(R) Client Systems\n")
    put(tmp_path, "sys/class/dmi/id/product_name", "NUC11PAHi5\n")
    nuc = Board(id="nuc", name="NUC", match=Match(dmi=("Intel(R) Client Systems NUC11",)))
    found = detect({**BOARDS, "nuc": nuc}, machine(tmp_path, cpu=X86_CPU))
    assert found is not None
    assert (found.id, found.confidence) == ("nuc", "exact")


def test_of_equal_profiles_the_last_one_wins(tmp_path: Path) -> None:
    mine = BOARDS["raspberry-pi-5"]
    found = detect({**BOARDS, "mine": mine}, machine(tmp_path, **MACHINES["raspberry-pi-5"]))
    assert found is not None
    assert found.id == "mine"


def test_a_machine_that_says_nothing_has_no_profile(tmp_path: Path) -> None:
    assert MachineIdentity.read(tmp_path) == MachineIdentity()
    assert detect(BOARDS, tmp_path) is None


@given(st.dictionaries(FILES, st.binary(max_size=60) | st.none()))
@example({"proc/meminfo": b"MemTotal: -1 kB"})
@example({"proc/meminfo": "MemTotal: ٣ kB".encode()})
@example({"proc/meminfo": b"MemTotal: " + b"9" * 5000 + b" kB"})
@example({"proc/device-tree/compatible": b"\0\0\xff\xfe\0", "proc/device-tree/model": b"\0"})
def test_garbage_is_never_an_error(files: dict[str, bytes | None]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for path, content in files.items():
            if content is None:  # a directory where a file should be
                (root / path).mkdir(parents=True)
            else:
                put(root, path, content)
        found = detect(BOARDS, root)
    assert found is None or found.id in BOARDS


IDENTITIES = st.builds(
    MachineIdentity,
    model=st.none() | st.sampled_from([str(each.get("model")) for each in MACHINES.values()]),
    compatible=st.lists(
        st.sampled_from([name for each in MACHINES.values() for name in each["compatible"]]),
        max_size=3,
    ).map(tuple),
    part_numbers=st.lists(
        st.sampled_from([part for board in BOARDS.values() for part in board.match.part_numbers]),
        max_size=2,
    ).map(tuple),
    architecture=st.sampled_from([None, "aarch64", "x86_64", "riscv64"]),
    memory_bytes=st.none() | st.integers(1, 200 * GIB),
    super_modes=st.booleans(),
)


@given(IDENTITIES)
def test_exact_means_that_the_memory_does_not_contradict(identity: MachineIdentity) -> None:
    found = recognise(BOARDS, identity)
    if found is not None and found.confidence == "exact" and identity.memory_bytes:
        sizes = BOARDS[found.id].memory_sizes_bytes
        assert not sizes or any(identity.memory_bytes <= size for size in sizes)


@given(IDENTITIES)
def test_super_profiles_are_for_super_modes(identity: MachineIdentity) -> None:
    found = recognise(BOARDS, identity)
    if found is not None and not identity.super_modes:
        assert not BOARDS[found.id].match.super_modes
