"""The Raspberry Pi's throttle flags: what holds the board back now, and what has since boot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_rt.board.readers.base import BaseReader, Channel, Skipped
from edge_rt.board.readers.raspberry.videocore import Firmware, failure, refusal
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, HeldFile, numbered

_NOW = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")
BITS = tuple(enumerate(_NOW)) + tuple((bit + 16, f"{n}_occurred") for bit, n in enumerate(_NOW))


class PiThrottled(BaseReader):
    """Eight flags, from the kernel's copy in sysfs or, without one, from the firmware."""

    def __init__(
        self,
        sysfs: Path,
        firmware: Firmware | None = None,
        period_s: float = 0.5,
        io: FileIo = FILE_IO,
    ) -> None:
        path = _find(sysfs)
        self._file = None if path is None else HeldFile(path, io)
        self._firmware = firmware
        if path is not None:
            source = str(path)
        else:
            source = "" if firmware is None else f"{firmware.source} get_throttled"
        channels = [Channel(n, "flag", f"{source} bit {b}") for b, n in BITS] if source else []
        super().__init__("pi-throttled", channels, period_s, _skipped(sysfs, channels))

    def close(self) -> None:
        """Close the file and the firmware's device."""
        for held in (self._file, self._firmware):
            if held is not None:
                held.close()

    def _read(self) -> None:
        text, reason = self._text()
        bits = None if text is None else parse(text)
        if bits is None:
            self._fail_all(reason or f"no throttle flags in {text!r:.40}")
            return
        for index, (bit, _) in enumerate(BITS):
            self._set(index, float(bits >> bit & 1))

    def _text(self) -> tuple[str | None, str | None]:
        if self._file is not None:
            data = self._file.read()
            return (None, self._file.error) if data is None else (data.decode("latin-1"), None)
        if self._firmware is None:
            return None, "no source"
        try:
            answer = self._firmware.ask("get_throttled")
        except OSError as error:
            return None, failure(self._firmware, error)
        reason = refusal(answer)
        return (answer, None) if reason is None else (None, reason)


def parse(text: str) -> int | None:
    """The bits in "throttled=0x50005", or "50005" as sysfs has it; None where there are none."""
    try:
        bits = int(text.strip().rpartition("=")[2], 16)
    except ValueError:
        return None
    return bits if 0 <= bits < 1 << 32 else None


def _find(sysfs: Path) -> Path | None:
    below = numbered(sysfs / "devices" / "platform", "soc*/soc*:firmware/get_throttled")
    return below[0] if below else None


def _skipped(sysfs: Path, channels: Sequence[Channel]) -> tuple[Skipped, ...]:
    if channels:
        return ()
    reason = f"no get_throttled below {sysfs}/devices/platform/soc* and no firmware to ask"
    return (Skipped("pi-throttled", reason),)
