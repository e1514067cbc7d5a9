"""Bodies of multipart/form-data (RFC 7578), in which clients send files."""

from __future__ import annotations

import re
from email.message import Message
from typing import NamedTuple

from edge_rt.core.errors import RequestError

_NAME = re.compile(rb'^content-disposition:[^\r\n]*;\s*name="?([^";\r\n]*)"?', re.I | re.M)
_MOST = 64  # parts
_HEADER_BYTES = 4096  # of one part; all of a part without an empty line would be its headers


class Form(NamedTuple):
    """Fields with their texts, the last one where a name is there twice, and files."""

    fields: dict[str, str]
    files: dict[str, bytes]


def read_form(content_type: str, body: bytes) -> Form:
    """Return what a body of that content type holds; raises RequestError."""
    head = Message()
    head["content-type"] = content_type
    boundary = head.get_param("boundary")
    if head.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        message = "Send the file as multipart/form-data with a boundary."
        raise RequestError(message, code="invalid_form")
    limit = b"\r\n--" + boundary.encode()
    _, *parts = (b"\r\n" + body).split(limit, _MOST + 1)
    if not parts or len(parts) > _MOST or not parts[-1].startswith(b"--"):
        raise RequestError("The form has no end, or too many parts.", code="invalid_form")
    form = Form({}, {})
    for part in parts[:-1]:
        _take(part, form)
    return form


def _take(part: bytes, form: Form) -> None:
    headers, blank, content = part.partition(b"\r\n\r\n")
    named = _NAME.search(headers) if blank and len(headers) <= _HEADER_BYTES else None
    if named is None:
        raise RequestError("A part of the form has no name.", code="invalid_form")
    name = named[1].decode(errors="replace")
    if re.search(rb";\s*filename\*?=", headers, re.IGNORECASE):
        form.files[name] = content
    else:
        form.fields[name] = content.decode(errors="replace")
