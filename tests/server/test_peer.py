"""The daemon knows which user is at the other end of its Unix socket, and what that one may do."""

from __future__ import annotations

import os
import socket

import pytest

from edge_rt.api.middleware.access import Peer
from edge_rt.config import schema
from edge_rt.server.connection_limiter import access_of, peer_of

STRANGER = 54_321


def test_who_opened_a_unix_socket() -> None:
    one, other = socket.socketpair()
    with one, other:
        peer = peer_of(one)
    assert peer is not None
    assert peer.uid == os.getuid()
    assert peer.groups == {os.getgid(), *os.getgroups()}


def test_a_tcp_socket_tells_nobody() -> None:
    with socket.socket() as one:
        assert peer_of(one) is None
    assert peer_of(None) is None


@pytest.mark.parametrize("uid", {0, os.getuid()})
def test_root_and_the_daemons_user_may_do_everything(uid: int) -> None:
    rights = access_of(schema.Access()).rights(Peer(uid))
    assert (rights.generate, rights.administer) == (True, True)


def test_others_may_use_models_where_nobody_is_named() -> None:
    rights = access_of(schema.Access()).rights(Peer(STRANGER, frozenset({STRANGER})))
    assert (rights.generate, rights.administer) == (True, False)


@pytest.mark.parametrize(
    ("peer", "generate", "administer"),
    [
        (Peer(STRANGER), False, False),
        (Peer(7), True, False),
        (Peer(STRANGER, frozenset({1, 8})), True, False),
        (Peer(9), True, True),
        (Peer(STRANGER, frozenset({10})), True, True),
    ],
)
def test_users_and_groups_that_are_named(peer: Peer, generate: bool, administer: bool) -> None:
    may = schema.People(users=["7"], groups=["8"])
    access = access_of(
        schema.Access(generate=may, administer=schema.People(users=["9"], groups=["10"]))
    )
    rights = access.rights(peer)
    assert (rights.generate, rights.administer) == (generate, administer)


def test_names_are_looked_up() -> None:
    access = access_of(schema.Access(generate=schema.People(users=["root"], groups=["root"])))
    assert access.rights(Peer(STRANGER, frozenset({0}))).generate
    assert not access.rights(Peer(STRANGER)).generate
