"""What the unit forbids, tried from inside of it."""

from __future__ import annotations

import json

from vm.guest.deed import CONTAINER
from vm.guest.deeds import faults
from vm.probe import DEEDS, TOLD, UNIT, units
from vm_guests import Box


def test_it_can_do_what_it_must_and_nothing_that_it_must_not(box: Box) -> None:
    for place, text in units(box.run("cat", "/etc/systemd/system/edge-rt.service").stdout).items():
        box.write(place, text)
    box.run(*DEEDS, "prepare")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", UNIT)
    inside = json.loads(box.run("cat", TOLD).stdout)
    root = json.loads(box.run(*DEEDS, "try").stdout)
    assert faults(inside, root, CONTAINER) == []
