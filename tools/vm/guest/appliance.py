"""What a guest with edge_rt does by itself when it boots, as a board on a wall would.

`chips` puts sensors on a bus that is none, `look` tells what the last power cut has left, and
`use` asks for as long as there is power. All is told at the second serial port.
"""

from __future__ import annotations

import json
import os
import random
import string
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from vm.guest import shortage, syscalls
from vm.guest.client import ask, complete
from vm.guest.databases import Witness, left

TOLD = "/dev/ttyS1"
MODULES = Path("/usr/lib/edge-rt-vm/modules")
LOOK_S = 1.0
ASKERS = 2
QUESTION = "Paris is"  # asked at each boot
PROBE = "edge_rt_vm.probe"  # said to the kernel where sandbox and memory are to be tried


def say(**fields: Any) -> None:
    """Tell it, in one write so that others do not come between."""
    port = os.open(TOLD, os.O_WRONLY | os.O_NOCTTY)
    try:
        os.write(port, json.dumps(fields).encode() + b"\n")
    finally:
        os.close(port)


def chips() -> None:
    """An INA3221 with the kernel's driver on it, and its load."""
    for name, parameters in (("i2c-dev", ""), ("i2c-stub", "chip_addr=0x40"), ("ina3221", "")):
        syscalls.load(MODULES / f"{name}.ko", parameters)
    from vm.guest.ina3221 import LOAD
    from vm.guest.stub import Chip

    chip = Chip(0x40)
    chip.fill(LOAD)
    chip.bind()


def look() -> None:
    """Return what is there before the daemon."""
    say(left=left())


def use() -> None:
    """The first answer, then as many as come."""
    first = complete(_new())
    say(answer=_text(first), up_s=time.clock_gettime(time.CLOCK_BOOTTIME))
    again = complete(QUESTION)
    say(again=_text(again), cached=again["edge"].get("cache"))
    say(sensors=_sensors())
    if PROBE in Path("/proc/cmdline").read_text():
        _probe()
        say(shortage=shortage.brought_about())
    for _ in range(ASKERS):
        threading.Thread(target=_ask, daemon=True).start()
    witness = Witness()
    while True:
        if news := witness.news():
            say(rows=news)
        time.sleep(LOOK_S)


def _sensors() -> dict[str, object]:
    """Return what the daemon reads through the driver and what is in the chip: W, V, A."""
    from vm.guest.ina3221 import LOAD, truth

    channels = ask("GET", "/edge/v1/board")["channels"]
    read = [channel["value"] for channel in channels if channel["reader"] == "ina3221"]
    return {"read": read, "wanted": truth(LOAD)}


def _text(answer: dict[str, Any]) -> str:
    return answer["choices"][0]["text"]


def _new() -> str:
    """A prompt that was never asked, of few tokens: each takes an emulated processor long."""
    return f"{random.choice(string.ascii_letters)}{random.randrange(10_000)}"


def _ask() -> None:
    try:
        while True:
            complete(_new(), tokens=2)
    except BaseException:
        say(failed=traceback.format_exc())


def _probe() -> None:
    from vm import probe

    subprocess.run([*probe.DEEDS, "prepare"], check=True)
    subprocess.run(["systemctl", "start", probe.UNIT], check=True)
    argv = [*probe.DEEDS, "try"]
    root = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    say(inside=json.loads(Path(probe.TOLD).read_text()), root=json.loads(root))


if __name__ == "__main__":
    try:
        {"chips": chips, "look": look, "use": use}[sys.argv[1]]()
    except BaseException:
        say(failed=traceback.format_exc())
        raise
