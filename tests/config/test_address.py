"""HOST:PORT is read one way only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.config.checks import Address, is_loopback


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]:8080", "::1", 8080),
        ("localhost:0", "localhost", 0),
        ("0.0.0.0:65535", "0.0.0.0", 65535),
    ],
)
def test_valid_addresses(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", "8080", ":8080", "localhost", "localhost:", "localhost:http", "localhost:65536"),
        *("localhost:-1", "localhost:00000080", "localhost:٨٠", "localhost:8_0"),
        *("::1:8080", "[::1]", "[::1:8080", "[a.b]:80", "[1:2]:80", "a b:80", "a\n:80"),
    ],
)
def test_invalid_addresses_say_why(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Address.parse(text)


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert 0 <= address.port <= 65535
    assert address.host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%lo"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
