"""Network addresses as they stand in the configuration."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


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
