"""The number of a bus is the kernel's choice; its node in the device tree tells which it is."""

from __future__ import annotations

import pytest
from benchlib.boards import load_boards

from edge_rt.board.readers.ina3221_i2c import raw_chips
from edge_rt.testing.board import FakeBoard

RAILS = load_boards()["jetson-xavier-nx"].rails


def adapter(tree: FakeBoard, number: int, node: str | None) -> None:
    """An I2C bus as the kernel shows it."""
    device = tree.sysfs / "devices" / "platform" / f"bus-{number}" / f"i2c-{number}"
    device.mkdir(parents=True)
    if node is not None:
        firmware = tree.sysfs / "firmware" / "devicetree" / "base" / "bus@0" / node
        firmware.mkdir(parents=True)
        tree.link(device / "of_node", firmware)
    tree.link(tree.sysfs / "bus" / "i2c" / "devices" / f"i2c-{number}", device)


def buses(tree: FakeBoard) -> list[int]:
    return [chip.bus for chip in raw_chips(RAILS, tree.sysfs)]


@pytest.mark.parametrize("number", [6, 7, 12])  # mainline kernels, NVIDIA's, any other
def test_the_bus_is_found_whatever_its_number(tree: FakeBoard, number: int) -> None:
    adapter(tree, 1, "i2c@c240000")
    adapter(tree, number, "i2c@c250000")
    adapter(tree, 20, None)
    [chip] = raw_chips(RAILS, tree.sysfs)
    assert (chip.bus, chip.address) == (number, 0x40)
    assert set(chip.labels.values()) == set(RAILS)


def test_another_bus_of_that_number_is_not_taken_for_it(tree: FakeBoard) -> None:
    adapter(tree, 7, "i2c@31e0000")
    assert buses(tree) == []


def test_without_nodes_the_number_counts(tree: FakeBoard) -> None:
    assert buses(tree) == [7]
    adapter(tree, 7, None)
    assert buses(tree) == [7]
