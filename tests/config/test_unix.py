"""A socket that cannot be made here is told of by its key."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import msgspec
import pytest

from edge_rt.config.checks import (
    LONGEST_PATH,
    access_faults,
    check_faults,
    group_id,
    socket_faults,
    user_id,
)
from edge_rt.config.schema import Access, Config, People, Socket

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


def test_users_and_groups_are_found_by_name_and_number() -> None:
    assert user_id("root") == user_id("0") == 0
    people = People(users=["root", "12345"], groups=["root", "12345"])
    assert list(access_faults(Config(access=Access(generate=people, administer=people)))) == []


def test_those_that_are_not_here_are_named() -> None:
    access = Access(
        generate=People(groups=["root", "no-such-group"]), administer=People(users=["nobody here"])
    )
    found = dict(access_faults(Config(access=access)))
    assert found.keys() == {
        ("access", "generate", "groups", 1),
        ("access", "administer", "users", 0),
    }
    assert "create it" in found["access", "administer", "users", 0]


@pytest.mark.parametrize("section", ["checks", "checkers"])
def test_programs_that_are_not_there_are_named(tmp_path: Path, section: str) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")

    def key(command: list[str]) -> list[tuple[object, ...]]:
        config = msgspec.convert({section: {"x": {"command": command}}}, Config)
        return [key for key, _ in check_faults(config)]

    assert key(["sh", "-c", "true"]) == key(["/bin/sh"]) == []
    for wrong in ("no-such-program", str(tmp_path / "none"), str(plain), "./sh", "bin/sh"):
        assert key([wrong]) == [(section, "x", "command", 0)]
