"""Bodies in which clients send files."""

from __future__ import annotations

import pytest

from edge_rt.api.middleware.forms import read_form
from edge_rt.core.errors import RequestError

TYPE = "multipart/form-data; boundary=b"
DISPOSITION = b"content-disposition:"


def body(part: bytes) -> bytes:
    return b"--b\r\n" + part + b"\r\n--b--\r\n"


def test_fields_and_files_have_their_names() -> None:
    field = b'Content-Disposition: form-data; name="model"\r\n\r\near\r\n--b\r\n'
    file = b'X: 1\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n\x00\r\n'
    assert read_form(TYPE, body(field + file)) == ({"model": "ear"}, {"file": b"\x00\r\n"})


@pytest.mark.parametrize(
    "part",
    [
        DISPOSITION * 400_000,
        DISPOSITION * 400_000 + b"\r\n\r\n",
        DISPOSITION + b" form-data;" + 5_000 * b" " + b'name="file"\r\n\r\n',
    ],
)
def test_long_headers_are_refused_and_not_searched(part: bytes) -> None:
    """A search took time by the square of their length, and nobody else was served meanwhile."""
    with pytest.raises(RequestError, match="no name") as refused:
        read_form(TYPE, body(part))
    assert refused.value.code == "invalid_form"
