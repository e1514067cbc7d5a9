"""Memory of other boards, by llama.cpp's RPC: `python -m edge_rt.backends.llama.rpc` lends it.

The protocol knows no keys, and where a peer is lost llama.cpp ends the process that uses it. See
https://github.com/ggml-org/llama.cpp/tree/master/tools/rpc.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from edge_rt.backends.llama.devices import LIBRARIES, native
from edge_rt.core.system.process import end_with_parent, limit_data

PROTOCOL = 7  # RPC_PROTO_MAJOR_VERSION of llama.cpp's ggml-rpc.h
_HELLO, _CAPS = 14, 24  # RPC_CMD_HELLO, and the bytes that both sides tell of their transports
_ANSWER = struct.Struct(f"<Q4B{_CAPS}s")  # its size, the version, padding, transports
# For peers, each of which serves one client at a time and lets others wait: an engine that does
# nothing for 3 seconds counts as one that hangs.
_PATIENCE_S = 1.5
_LEAST_S = 0.001
_STACK_BYTES = 8 << 20  # of a thread, of which it uses next to nothing
_CPU = 0  # enum ggml_backend_dev_type


class Peers:
    """Other boards on which layers may be put, as on a GPU."""

    def __init__(self, addresses: Iterable[str], add: Callable[[str], None] | None = None) -> None:
        """`addresses` are HOST:PORT; `add` makes a peer one of llama.cpp's devices."""
        self._missing, self._add = list(addresses), add or _add

    def join(self) -> Iterator[str]:
        """Make devices of the peers that are there; yield why others are not used."""
        missing = list(self._missing)
        with ThreadPoolExecutor(max(1, len(missing))) as together:
            reasons = list(together.map(fault, missing))
        for address, reason in zip(missing, reasons, strict=True):
            if reason is None:
                self._add(address)
                self._missing.remove(address)
            else:
                yield f"the peer {address} is not used: {reason}"


def fault(address: str, patience_s: float = _PATIENCE_S) -> str | None:
    """Return why a peer cannot be used; None where it can.

    It is asked before llama.cpp asks, which ends the process where it gets no answer.
    """
    host, _, port = address.rpartition(":")
    until_s = time.monotonic() + patience_s
    try:
        with socket.create_connection((host.strip("[]"), int(port)), patience_s) as peer:
            peer.sendall(struct.pack("<BQ", _HELLO, _CAPS) + bytes(_CAPS))
            answer = _received(peer, until_s)
    except TimeoutError:
        return "it does not answer, or serves another client"
    except OSError as error:
        return error.strerror or str(error)
    if len(answer) != _ANSWER.size:
        return "it does not speak llama.cpp's RPC"
    version = _ANSWER.unpack(answer)[1]
    return None if version == PROTOCOL else f"it speaks RPC {version}, and this board {PROTOCOL}"


def _received(peer: socket.socket, until_s: float) -> bytes:
    """Return the answer to a hello, which comes in pieces; TimeoutError after that time."""
    answer = b""
    while len(answer) < _ANSWER.size:
        peer.settimeout(max(_LEAST_S, until_s - time.monotonic()))
        more = peer.recv(_ANSWER.size - len(answer))
        if not more:
            break
        answer += more
    return answer


def _add(address: str) -> None:
    add = _library().ggml_backend_rpc_add_server
    add.restype, add.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
    register = native().ggml_backend_register
    register.restype, register.argtypes = None, (ctypes.c_void_p,)
    register(add(address.encode()))


def serve(address: str, threads: int) -> None:
    """Compute on this board's CPU for one client after the other; returns where that fails."""
    find = native().ggml_backend_dev_by_type
    find.restype, find.argtypes = ctypes.c_void_p, (ctypes.c_int,)
    devices = (ctypes.c_void_p * 1)(find(_CPU))
    start = _library().ggml_backend_rpc_start_server
    size = ctypes.c_size_t
    start.restype, start.argtypes = (
        None,
        (ctypes.c_char_p, ctypes.c_char_p, size, size, type(devices)),
    )
    start(address.encode(), None, threads, 1, devices)


def _library() -> Any:
    return ctypes.CDLL(str(LIBRARIES / "libggml-rpc.so"))


def main(argv: list[str]) -> int:
    """Serve at argv[1] with argv[2] threads and argv[3] bytes; argv[4] is a pipe of the parent."""
    address, threads, memory_bytes, link = argv[1], *map(int, argv[2:])
    end_with_parent(link)
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    import_module("edge_rt.backends.llama.model")  # which loads the code for this CPU
    limit_data(memory_bytes + threads * _STACK_BYTES)
    serve(address, threads)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
