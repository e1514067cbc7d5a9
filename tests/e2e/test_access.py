"""Other users of this machine, as the kernel names them, do what they may and no more."""

from __future__ import annotations

import json
import os
import socket
from contextlib import closing

import pytest

NOBODY = 65_534
ASK = {"prompt": "Hi", "max_tokens": 1}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def ask(own_daemon):
    """Asks as another user, a daemon whose socket all may open: status, error document."""

    def start(**access):
        daemon = own_daemon(socket={"mode": "0666"}, access=access)
        for folder in daemon.socket.parents:
            if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o011)

        def asked(method, path, body=None, groups=()):
            content = b"" if body is None else json.dumps(body).encode()
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            with closing(connected(daemon.socket, groups)) as connection:
                connection.settimeout(60)
                connection.sendall(
                    f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
                )
                with connection.makefile("rb") as file:
                    response = file.read()
            head, _, document = response.partition(b"\r\n\r\n")
            return int(head.split()[1]), document.decode()

        return asked

    return start


def connected(path, groups) -> socket.socket:
    """A connection that the user nobody opened, who is in these groups besides its own."""
    before = os.getgroups()
    connection = socket.socket(socket.AF_UNIX)
    os.setgroups(groups)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        connection.connect(str(path))
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)
    return connection


def test_others_use_models_but_do_not_administrate(ask):
    asked = ask()
    assert asked("POST", "/v1/completions", ASK)[0] == 200
    assert asked("GET", "/edge/v1/budget")[0] == 200
    status, document = asked("PUT", "/edge/v1/budget", {"power_w": 5})
    assert status == 403
    assert f"user {NOBODY}" in document
    assert "access.administer" in document


def test_only_the_groups_that_are_named_use_models(ask):
    asked = ask(generate={"groups": ["4242"]}, administer={"groups": [4343]})
    assert asked("POST", "/v1/completions", ASK)[0] == 403
    assert asked("POST", "/v1/completions", ASK, groups=[4242])[0] == 200
    assert asked("PUT", "/edge/v1/budget", {"power_w": 50}, groups=[4242])[0] == 403
    assert asked("PUT", "/edge/v1/budget", {"power_w": 50}, groups=[4343])[0] == 200


def test_one_may_look_all_the_same(ask):
    asked = ask(generate={"users": ["root"]})
    assert asked("GET", "/v1/models")[0] == 200
    assert asked("POST", "/v1/completions", ASK)[0] == 403
