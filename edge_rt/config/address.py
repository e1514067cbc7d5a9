"""Addresses, users and groups that the configuration names, held against this machine."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_rt.config.schema import Config
from edge_rt.config.tree import Key

LONGEST_PATH = 107  # bytes, a limit of the kernel


def socket_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Every key of the socket with which it cannot be made, with the reason."""
    named = config.socket
    checks = (("path", named.path, check_path), ("group", named.group, group_id))
    for key, value, judge in checks:
        try:
            if value is not None:
                judge(value)
        except ValueError as error:
            yield ("socket", key), str(error)


def access_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Every user and group that this machine does not have, with the reason."""
    access = config.access
    for right, people in (("generate", access.generate), ("administer", access.administer)):
        kinds = (("users", people.users, user_id), ("groups", people.groups, group_id))
        for kind, names, find in kinds:
            for index, name in enumerate(names):
                try:
                    find(name)
                except ValueError as error:
                    yield ("access", right, kind, index), str(error)


def check_path(path: str | Path) -> None:
    """Raise ValueError unless a Unix socket can have that path."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ValueError(f"{path} is longer than {LONGEST_PATH} bytes: choose a shorter one")


def group_id(group: str) -> int:
    """The number of a group given by name or number; ValueError when nothing has that name."""
    if _is_number(group):
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise ValueError(f"no group {group!r} on this machine: create it") from None


def user_id(user: str) -> int:
    """The number of a user given by name or number; ValueError when nobody has that name."""
    if _is_number(user):
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except (KeyError, ValueError):
        raise ValueError(f"no user {user!r} on this machine: create it") from None


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 10


@dataclass(frozen=True)
class Address:
    """Where a TCP listener sits; `host` is without brackets."""

    host: str
    port: int  # 0: the kernel picks one

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read "HOST:PORT", with an IPv6 host in brackets; ValueError says what is wrong."""
        host, colon, port = text.rpartition(":")
        if not colon or not host:
            raise ValueError('expected HOST:PORT such as "127.0.0.1:8080" or "[::1]:8080"')
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
            raise ValueError(f'expected a port from 0 to 65535 after the last ":", got "{port}"')
        return cls(_host(host), int(port))

    @property
    def literal(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host as an IP address, or None when it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None


def is_loopback(host: str) -> bool:
    """Whether the IP address `host` can be reached from this machine only."""
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        host = text[1:-1]
        if ":" not in host:
            raise ValueError(f"expected an IPv6 address in the brackets, got [{host}]")
        ipaddress.IPv6Address(host)  # its ValueError names the fault
        return host
    if ":" in text:
        raise ValueError('an IPv6 address needs brackets: "[::1]:8080"')
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"not a host name: {text!r}")
    return text
