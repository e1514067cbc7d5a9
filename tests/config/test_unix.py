"""A socket that cannot be made here is told of by its key."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from edge_rt.config.schema import Config, Socket
from edge_rt.config.unix import LONGEST_PATH, group_id, socket_faults

LONGEST = "/" + "x" * (LONGEST_PATH - 1)


@pytest.mark.parametrize(
    "socket",
    [
        Socket(),
        Socket(path=LONGEST),
        Socket(group="12345"),
        Socket(group=grp.getgrgid(os.getegid()).gr_name),
    ],
)
def test_what_can_be_made_passes(socket: Socket) -> None:
    assert list(socket_faults(Config(socket=socket))) == []


@pytest.mark.parametrize(
    ("socket", "key", "told"),
    [
        (Socket(path=LONGEST + "x"), "path", "longer than 107 bytes"),
        (Socket(path="/" + "é" * 54), "path", "longer than 107 bytes"),
        (Socket(group="no-such-group"), "group", "no group 'no-such-group'"),
        (Socket(group=""), "group", "no group ''"),
        (Socket(group="a\0b"), "group", "no group"),
    ],
)
def test_what_cannot_is_named(socket: Socket, key: str, told: str) -> None:
    [(found, reason)] = socket_faults(Config(socket=socket))
    assert found == ("socket", key)
    assert told in reason


def test_the_kernel_agrees_on_the_length(tmp_path: Path) -> None:
    import socket

    room = LONGEST_PATH - len(os.fsencode(tmp_path)) - 1
    for longer in (0, 1):
        with socket.socket(socket.AF_UNIX) as sock:
            path = str(tmp_path / ("x" * (room + longer)))
            if longer:
                with pytest.raises(OSError, match="too long"):
                    sock.bind(path)
            else:
                sock.bind(path)


def test_a_group_has_a_number() -> None:
    own = grp.getgrgid(os.getegid())
    assert group_id(own.gr_name) == own.gr_gid
    assert group_id("7") == 7
