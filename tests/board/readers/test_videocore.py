"""Ways to ask the firmware, and its refusals."""

from __future__ import annotations

import errno
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from faults import figures
from told import Told
from trees import pi5

from edge_rt.board.readers.raspberry_pi import PiPmicReader
from edge_rt.board.readers.videocore import FirmwareFiles, Mailbox, failure, refusal
from edge_rt.testing.board import FakeBoard

REFUSED = 'error=1 error_msg="Command not registered"'

# fcntl() is called like ioctl(), and waits in F_OFD_SETLKW for a lock that the main thread lets
# go of: for ever if nobody else may run meanwhile.
WAITING = """
import fcntl, os, struct, sys, threading
from edge_rt.board.readers.videocore import libc_call

SETLK, SETLKW = 37, 38  # F_OFD_*
lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
holder, waiter = (os.open(sys.argv[1], os.O_RDWR) for _ in range(2))
fcntl.fcntl(holder, SETLK, lock)
message, results = bytearray(lock).ljust(1052, b"\\0"), []
wait = lambda: results.append(libc_call("fcntl")(waiter, SETLKW, message))
thread = threading.Thread(target=wait)
thread.start()
thread.join(0.2)
assert not results
os.close(holder)
thread.join()
print(*results)
"""


def test_the_mailbox_speaks_the_property_protocol(tmp_path: Path) -> None:
    device = tmp_path / "vcio"
    device.touch()
    seen: list[tuple[int, bytes]] = []

    def ioctl(fd: int, request: int, message: bytearray) -> int:
        seen.append((request, bytes(message)))
        text = b"a=1\0b=2\0"
        struct.pack_into("=6I", message, 0, len(message), 0x80000000, 0x30080, 1024, 8, 0)
        message[24 : 24 + len(text)] = text
        return 0

    mailbox = Mailbox(device, ioctl)
    assert mailbox.ask("pmic_read_adc").splitlines()[:2] == ["a=1", "b=2"]
    request, message = seen[0]
    assert request == 0xC0086400
    assert struct.unpack_from("=6I", message) == (len(message), 0, 0x00030080, 1024, 0, 0)
    assert message[24:38] == b"pmic_read_adc\0"
    assert message[-4:] == b"\0\0\0\0"
    mailbox.close()


def test_a_mailbox_that_fails_is_opened_anew(tmp_path: Path) -> None:
    device = tmp_path / "vcio"
    mailbox = Mailbox(device, lambda fd, request, message: 0)
    with pytest.raises(OSError, match="vcio"):
        mailbox.ask("get_throttled")
    device.touch()
    with pytest.raises(OSError, match="status 0x0"):
        mailbox.ask("get_throttled")
    mailbox.close()


def test_others_go_on_while_the_firmware_takes_its_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, "-c", WAITING, str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_an_error_of_the_device_is_raised_with_its_number() -> None:
    with pytest.raises(OSError, match="ioctl") as raised:
        Mailbox(Path("/dev/null")).ask("get_throttled")
    assert raised.value.errno == errno.ENOTTY


def test_a_folder_of_answers(tree: FakeBoard) -> None:
    pi5(tree)
    firmware = FirmwareFiles(tree.dev / "vcio")
    assert figures(PiPmicReader(firmware))["PMIC", "power_w"] == pytest.approx(5.8586, abs=1e-4)
    with pytest.raises(OSError, match="measure_temp"):
        firmware.ask("measure_temp")


def test_refusals() -> None:
    assert refusal(REFUSED) == "Command not registered"
    assert refusal("throttled=0x0") is None


def test_a_refusal_of_rights_names_who_may_ask() -> None:
    firmware = Told("")
    assert "video" in failure(firmware, PermissionError(13, "Permission denied"))
    assert failure(firmware, OSError(5, "Input/output error")) == "told: Input/output error"
    assert failure(firmware, OSError("no answer in 1 s")) == "told: no answer in 1 s"
