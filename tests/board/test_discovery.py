"""Every board's tree gives its figures, and says what it has not."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from bus import FakeBus
from faults import Faults
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import BOARDS, orin_nano, pi4, x86

from edge_rt.board.discovery import (
    Discovery,
    RawChip,
    Roots,
    WantedReaders,
    discover,
    find_firmware,
)
from edge_rt.board.readers.base import PENDING, BaseReader, Channel
from edge_rt.board.readers.modelled import Coefficients
from edge_rt.board.readers.sysfs import FILE_IO, FileIo
from edge_rt.board.readers.videocore import FirmwareFiles, Mailbox
from edge_rt.testing.board import FakeBoard, FakeClock

MODEL = Coefficients(static_w=2.0, core_w=1.0)
RAILS = {
    "orin-nano": {"VDD_IN": 6.21984, "VDD_CPU_GPU_CV": 1.6, "VDD_SOC": 1.482368},
    "agx-orin": {
        "VDD_GPU_SOC": 7.6,
        "VDD_CPU_CV": 1.9,
        "VIN_SYS_5V0": 4.0,
        "VDDQ_VDD2_1V8AO": 1.14,
    },
    "thor": {"VDD_GPU": 0.0, "VDD_CPU_SOC_MSS": 6.504, "VIN_SYS_5V0": 6.52, "VIN": 20.0},
    "xavier-nx": {"VDD_IN": 4.5288, "VDD_CPU_GPU_CV": 1.0064, "VDD_SOC": 1.5096},
    "xavier-nx-jp4": {"VDD_IN": 4.528, "VDD_CPU_GPU_CV": 1.006, "VDD_SOC": 1.509},
    "nano": {"POM_5V_IN": 2.804, "POM_5V_GPU": 0.2, "POM_5V_CPU": 1.001},
}
GARBAGE = st.one_of(
    st.binary(min_size=1, max_size=60),
    st.integers(-(10**12), 10**30).map(lambda n: b"%d" % n),
    st.sampled_from((b"", b"-1", b"nan", b"99999999999999999999999999", b"-256000", b"0x1")),
)


def look(tree: FakeBoard, wanted: WantedReaders | None = None, io: FileIo = FILE_IO) -> Discovery:
    roots = Roots(tree.sysfs, tree.proc, tree.dev)
    return discover(roots, wanted or WantedReaders(model=MODEL), io=io, clock=FakeClock())


def powers(found: Discovery) -> dict[str, float | None]:
    return {
        c.name: v
        for reader in found.readers
        for c, v in zip(reader.channels, reader.read(), strict=True)
        if c.kind == "power_w"
    }


@pytest.mark.parametrize("board", RAILS)
def test_rails_of_a_jetson(tree: FakeBoard, board: str) -> None:
    BOARDS[board](tree)
    assert powers(look(tree)) == pytest.approx(RAILS[board])


@pytest.mark.parametrize("board", BOARDS)
def test_every_channel_of_every_board_gives_a_figure(tree: FakeBoard, board: str) -> None:
    BOARDS[board](tree)
    clock = FakeClock()
    found = discover(
        Roots(tree.sysfs, tree.proc, tree.dev), WantedReaders(model=MODEL), clock=clock
    )
    assert errors_of(found, clock) == []


@pytest.mark.parametrize("board", BOARDS)
def test_no_two_channels_share_name_and_kind(tree: FakeBoard, board: str) -> None:
    BOARDS[board](tree)
    keys = [(c.name, c.kind) for reader in look(tree).readers for c in reader.channels]
    assert len(keys) == len(set(keys))


def test_power_is_modelled_only_where_none_is_measured(tree: FakeBoard, tmp_path: Path) -> None:
    pi4(tree)
    qualities = {c.name: c.quality for r in look(tree).readers for c in r.channels}
    assert qualities["board"] == "modelled"
    assert qualities["cpu-thermal"] == "measured"
    orin_nano(measured := FakeBoard(tmp_path / "orin"))
    found = look(measured)
    assert all(c.quality == "measured" for r in found.readers for c in r.channels)


def test_power_is_modelled_where_the_counters_may_not_be_read(
    tree: FakeBoard, faults: Faults
) -> None:
    x86(tree)
    for path in (tree.sysfs / "class" / "powercap").glob("*/energy_uj"):
        faults.errors[path] = [errno.EACCES]
    names = [reader.name for reader in look(tree, io=faults.io).readers]
    assert "rapl" in names
    assert "modelled" in names


def test_an_empty_root_tells_everything_that_it_lacks(tree: FakeBoard) -> None:
    found = look(tree, WantedReaders())
    assert found.readers == ()
    names = {skipped.name for skipped in found.skipped}
    assert {"ina3221", "ina3221x", "ina238", "rapl", "thermal", "pi-pmic", "cpufreq"} <= names
    assert all(skipped.reason for skipped in found.skipped)


def test_a_raw_chip_is_read_where_no_driver_has_it(tree: FakeBoard) -> None:
    chip = RawChip(1, 0x40, {1: "VDD_IN"}, {1: 0.005})
    opened: list[Path] = []

    def bus(device: Path) -> FakeBus:
        opened.append(device)
        return FakeBus()

    roots = Roots(tree.sysfs, tree.proc, tree.dev)
    found = discover(roots, WantedReaders(chips=(chip,)), bus=bus)
    assert [reader.name for reader in found.readers] == ["ina3221-i2c"]
    assert opened == [tree.dev / "i2c-1"]


def test_a_raw_chip_that_a_driver_owns_is_left_alone(tree: FakeBoard) -> None:
    orin_nano(tree)
    chip = RawChip(1, 0x40, {1: "VDD_IN"}, {1: 0.005})
    found = look(tree, WantedReaders(chips=(chip,)))
    assert "ina3221-i2c" not in [reader.name for reader in found.readers]
    assert "ina3221-i2c 1-0040" in [skipped.name for skipped in found.skipped]


def test_a_bus_that_cannot_be_opened_is_told(tree: FakeBoard) -> None:
    chip = RawChip(1, 0x40, {1: "VDD_IN"}, {1: 0.005})
    reasons = [
        s.reason for s in look(tree, WantedReaders(chips=(chip,))).skipped if "i2c" in s.name
    ]
    assert len(reasons) == 1
    assert "i2c-1" in reasons[0]


def test_the_firmware_is_a_device_or_a_folder_in_its_place(tree: FakeBoard) -> None:
    assert find_firmware(tree.dev) is None
    (tree.dev / "vcio").touch()
    assert isinstance(find_firmware(tree.dev), Mailbox)
    (tree.dev / "vcio").unlink()
    (tree.dev / "vcio").mkdir()
    assert isinstance(find_firmware(tree.dev), FirmwareFiles)


@pytest.mark.parametrize("board", BOARDS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_garbage_in_any_file_stops_nothing(board: str, data: st.DataObject, tmp_path: Path) -> None:
    root = tmp_path / "any"
    if not root.exists():
        BOARDS[board](FakeBoard(root))
    roots, clock = Roots(root / "sys", root / "proc", root / "dev"), FakeClock()
    found = discover(roots, WantedReaders(model=MODEL), clock=clock)
    files = sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())
    path = data.draw(st.sampled_from(files))
    good = path.read_bytes()
    path.write_bytes(data.draw(GARBAGE))
    discover(roots, WantedReaders(model=MODEL), clock=clock)  # the search is not stopped either
    for reader in found.readers:
        missing = [value is None for value in reader.read()]
        assert missing == [error is not None for error in reader.errors]
    path.write_bytes(good)
    assert errors_of(found, clock) == []


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("error", [errno.EAGAIN, errno.EIO, errno.ENODEV])
def test_no_failing_file_spoils_another_channel(
    tree: FakeBoard, faults: Faults, board: str, error: int
) -> None:
    BOARDS[board](tree)
    clock = FakeClock()
    roots = Roots(tree.sysfs, tree.proc, tree.dev)
    found = discover(roots, WantedReaders(model=MODEL), io=faults.io, clock=clock)
    assert errors_of(found, clock) == []
    for path in list(faults.held()):
        faults.errors[path] = [error]
        failed = [c for r in found.readers for c in failing(r)]
        assert all(path.name in reason for _, reason in failed)
        del faults.errors[path]
    assert errors_of(found, clock) == []


def failing(reader: BaseReader) -> list[tuple[Channel, str]]:
    reader.read()
    pairs = zip(reader.channels, reader.errors, strict=True)
    return [(channel, error) for channel, error in pairs if error not in (None, PENDING)]


def errors_of(found: Discovery, clock: FakeClock) -> list[str | None]:
    """Return what is wrong after three reads, since rates need two and counters may start anew."""
    for _ in range(3):
        clock.now += 1000.0
        for reader in found.readers:
            reader.read()
    return [e for reader in found.readers for e in reader.errors if e is not None]


class Extra(BaseReader):
    """A reader of another package, of the number in a file."""

    def __init__(self, roots: Roots) -> None:
        self._file = roots.sysfs / "extra"
        super().__init__("extra", [Channel("outside", "temp_c", str(self._file))], 1.0)

    def _read(self) -> None:
        self._set(0, float(self._file.read_text()))


def test_a_reader_of_another_package_reads_beside_ours(tree: FakeBoard) -> None:
    x86(tree)
    (tree.sysfs / "extra").write_text("21.5\n")
    found = look(tree, WantedReaders(others={"extra": lambda: Extra}))
    (extra,) = [reader for reader in found.readers if reader.name == "extra"]
    assert list(extra.read()) == [21.5]


def test_what_is_wrong_with_another_package_leaves_out_its_reader_alone(tree: FakeBoard) -> None:
    def raises(roots: Roots) -> BaseReader:
        raise OSError("no bus")

    x86(tree)
    others: Any = {"raises": lambda: raises, "strange": lambda: lambda roots: "reader"}
    found = look(tree, WantedReaders(others=others))
    assert {skip.name: skip.reason for skip in found.skipped if skip.name in others} == {
        "raises": "its package does not work: OSError: no bus",
        "strange": "its package does not work: TypeError: str is no BaseReader",
    }
    assert len(found.readers) == len(look(tree, WantedReaders()).readers)
