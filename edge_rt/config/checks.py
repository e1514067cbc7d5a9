"""What a configuration must hold beyond the type of each key, by itself and on this machine."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from edge_rt.config.schema import Config
from edge_rt.config.tree import Key

LONGEST_PATH = 107  # bytes, a limit of the kernel
_BLOCKS = ("q8_0", "q4_0")  # types that llama.cpp keeps values in only with flash attention


def socket_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Yield every key of the socket with which it cannot be made, with the reason."""
    named = config.socket
    if named.path is not None:
        yield from _judged(("socket", "path"), named.path, check_path)
    if named.group is not None:
        yield from _judged(("socket", "group"), named.group, group_id)


def access_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Yield every user and group that this machine does not have, with the reason."""
    access = config.access
    for right, people in (("generate", access.generate), ("administer", access.administer)):
        for index, name in enumerate(people.users):
            yield from _judged(("access", right, "users", index), name, user_id)
        for index, name in enumerate(people.groups):
            yield from _judged(("access", right, "groups", index), name, group_id)


def check_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Yield every checker whose program is not there, with the reason."""
    programs = [
        ((section, name, "command", 0), checker.command[0])
        for section, checkers in (("checks", config.checks), ("checkers", config.checkers))
        for name, checker in checkers.items()
    ]
    for key, program in programs:
        if "/" in program and not program.startswith("/"):
            yield key, "the path of the program is not absolute"
        elif shutil.which(program) is None:
            yield key, f"there is no program {program!r} that can be run: give its path"


def _judged(key: Key, value: str, judge: Callable[[str], object]) -> Iterator[tuple[Key, str]]:
    """Yield the key with the reason for which `judge` refuses its value, if it does."""
    try:
        judge(value)
    except ValueError as error:
        yield key, str(error)


def check_path(path: str | Path) -> None:
    """Raise ValueError unless a Unix socket can have that path."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ValueError(f"{path} is longer than {LONGEST_PATH} bytes: choose a shorter one")


def group_id(group: str) -> int:
    """Return the number of a group given by name or number.

    ValueError when nothing has that name.
    """
    return _id(group, "group", lambda: grp.getgrnam(group).gr_gid)


def user_id(user: str) -> int:
    """Return the number of a user given by name or number; ValueError when nobody has that name."""
    return _id(user, "user", lambda: pwd.getpwnam(user).pw_uid)


def _id(name: str, kind: str, look: Callable[[], int]) -> int:
    if name.isascii() and name.isdigit() and len(name) < 10:
        return int(name)
    try:
        return look()
    except (KeyError, ValueError):
        raise ValueError(f"no {kind} {name!r} on this machine: create it") from None


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


def is_loopback(host: str) -> bool:
    """Return whether the IP address `host` is this machine's own alone; ValueError for a name."""
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


def contradictions(config: Config) -> Iterator[tuple[Key, str]]:
    """Yield every key whose value cannot work, with the reason."""
    yield from _tcp(config)
    yield from _engine(config)
    yield from _governor(config)
    yield from _smaller(config)
    yield from _cache(config)
    yield from _warm(config)


def _tcp(config: Config) -> Iterator[tuple[Key, str]]:
    for index, digest in enumerate(config.tcp.admin_key_sha256):
        if digest not in config.tcp.api_key_sha256:
            yield (
                ("tcp", "admin_key_sha256", index),
                "this key does not open TCP: name it in tcp.api_key_sha256 as well",
            )
    for index, listen in enumerate(config.tcp.addresses):
        several = isinstance(config.tcp.listen, list)
        yield from _listen(config, ("tcp", "listen", *([index] if several else [])), listen)


def _listen(config: Config, key: Key, listen: str) -> Iterator[tuple[Key, str]]:
    try:
        address = Address.parse(listen)
    except ValueError as error:
        yield key, str(error)
        return
    with suppress(ValueError):  # a name is judged when it is resolved, by whoever opens the socket
        if not is_loopback(address.host) and not config.tcp.api_key_sha256:
            yield (
                key,
                f"{address.host} can be reached from other machines, so a key is needed: "
                "set tcp.api_key_sha256, or listen on 127.0.0.1",
            )


def _engine(config: Config) -> Iterator[tuple[Key, str]]:
    engine = config.engine
    if engine.prefill_chunk > engine.batch:
        yield (
            ("engine", "prefill_chunk"),
            f"expected at most engine.batch ({engine.batch}), got {engine.prefill_chunk}",
        )
    for name in ("gpu_layers", "kv_type", "rpc"):
        yield from _twice(("engine", name), getattr(engine, name))
    yield from _rpc(config)
    kind = next((kind for kind in engine.kv_types if kind in _BLOCKS), None)
    if kind is not None and not engine.flash_attention:
        message = f"{kind} takes engine.flash_attention: leave that true, or name another type"
        yield ("engine", "kv_type"), message


def _rpc(config: Config) -> Iterator[tuple[Key, str]]:
    for index, peer in enumerate(config.engine.rpc):
        try:
            private_address(peer)
        except ValueError as error:
            yield ("engine", "rpc", index), str(error)
    if config.engine.rpc and config.offline:
        message = (
            "the engine connects to other boards, which `offline: true` forbids: set it to false"
        )
        yield ("engine", "rpc"), message
    if config.engine.rpc and not any(config.engine.offloads):
        yield ("engine", "rpc"), "no layers go to other boards: say in engine.gpu_layers how many"


def private_address(text: str) -> Address:
    """Read "ADDRESS:PORT" of a network of one's own; ValueError says what is wrong."""
    address = Address.parse(text)
    host = ipaddress.ip_address(address.host)
    if isinstance(host, ipaddress.IPv6Address):
        host = host.ipv4_mapped or host
    if not address.port or host.is_global or host.is_unspecified or host.is_multicast:
        raise ValueError(
            f"expected a port, and a private address such as 10.0.0.12 or that of a tunnel: {text}"
        )
    return address


def _twice(key: Key, values: object) -> Iterator[tuple[Key, str]]:
    """Yield each item of a list that was there before."""
    items = cast("list[object]", values) if isinstance(values, list) else []
    for index, item in enumerate(items):
        if item in items[:index]:
            yield (*key, index), f"{item} is named twice: remove one"


def _governor(config: Config) -> Iterator[tuple[Key, str]]:
    guard, order = config.governor.guard, config.governor.sacrifice
    for lower, upper in (("caution", "hold"), ("hold", "evacuate")):
        below, above = getattr(guard, lower), getattr(guard, upper)
        if below >= above:
            yield (
                ("governor", "guard", upper),
                f"expected more than governor.guard.{lower} ({below:g}), got {above:g}",
            )
    yield from _twice(("governor", "sacrifice"), list(order))


def _cache(config: Config) -> Iterator[tuple[Key, str]]:
    if config.cache.semantic.model is not None and not config.cache.enabled:
        key = ("cache", "semantic", "model")
        yield key, "it finds answers that are kept, and cache.enabled is false: change one of them"


def _warm(config: Config) -> Iterator[tuple[Key, str]]:
    most, seen = config.engine.sequences // 2, dict[str, int]()
    for index, one in enumerate(config.warm):
        chat = bool(one.messages or one.tools)
        if chat == (one.prompt is not None):
            both = "one of them" if chat else "one"
            yield ("warm", index), f"expected either prompt, or messages or tools: give {both}"
        seen[one.model] = seen.get(one.model, 0) + 1
        if seen[one.model] == most + 1:
            message = f"{one.model} keeps at most {most} prefixes, half of engine.sequences"
            yield ("warm", index), message


def _smaller(config: Config) -> Iterator[tuple[Key, str]]:
    """Yield each model that stands in for itself, by way of others or not; a chain is fine."""
    smaller = config.models.smaller
    for first in smaller:
        way, model = [first], smaller.get(first)
        while model is not None and model not in way:
            way.append(model)
            model = smaller.get(model)
        if model == first:
            circle = ", then ".join([*way, first])
            yield ("models", "smaller", first), f"a model cannot stand in for itself: {circle}"
