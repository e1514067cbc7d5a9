"""What both sides know: the checks that the guest has to answer in their order, and modules."""

from __future__ import annotations

# For a root on a virtio disk, each after those that it needs.
DISK_MODULES = ("virtio_blk", "crc16", "crc32c_generic", "mbcache", "jbd2", "ext4")

PLAN = (
    "raw reads what is in the registers",
    "raw leaves out a disabled channel",
    "raw refuses another chip and an empty address",
    "discovery reads a free chip raw",
    "raw and hwmon agree to one step",
    "raw refuses a chip that a driver owns",
    "raw lets go when a driver takes the chip",
    "hwmon names channels without labels",
    "hwmon leaves out a disabled channel",
    "both are silent while the driver has the chip switched off",
    "hwmon survives the removal of the device",
    "hwmon never reads another device in its place",
    "discovery reads a bound chip through hwmon",
    "an INA238 is read as its driver gives it",
    "a temperature of hwmon is read",
    "thermal zones and their trip points are read",
)
