"""Names of models and of their files, checked before they become part of a path; content hashes."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta

from edge_rt.core.errors import ModelFileError, RequestError

ID_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,95}\Z"
FILE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._+-]{0,191}\Z"

RESERVED_NAMES = ("default", "auto")
"""Names of models in requests that mean something by themselves."""
_RESERVED = {*RESERVED_NAMES, "manifest.json", "pairs.yaml"}  # and the store's files
_SUFFIXES = {".gguf", ".onnx"}
_MEANINGLESS = re.compile(r"(ggml-)?model\b.*|[0-9a-f]{32,}|gguf|onnx", re.IGNORECASE)
_PART = re.compile(r"-(\d{5})-of-(\d{5})(?=\.gguf\Z|\Z)", re.IGNORECASE)
_HUB_PREFIX = r"(?:hf:|(?:https://)?(?:hf\.co|huggingface\.co)/)"
HUB_FORM = "hf:OWNER/REPOSITORY[:QUANTISATION]"
_HUB_NAME = re.compile(
    _HUB_PREFIX + r"(?P<repository>[A-Za-z0-9][\w.-]*/[\w.-]+)/?(?::(?P<wanted>[\w.+/-]+))?",
    re.ASCII,
)


def content_sha256(files: Iterable[tuple[str, str]]) -> str:
    """Return one sha256 for a model, from the name and the sha256 of each of its files.

    For one file it is the file's own, whatever its name. For several it is taken over a line
    "NAME SHA256" for each, sorted by name.
    """
    pairs = sorted(files)
    if len(pairs) == 1:
        return pairs[0][1]
    lines = "".join(f"{name} {sha256}\n" for name, sha256 in pairs)
    return hashlib.sha256(lines.encode()).hexdigest()


Id = Annotated[str, Meta(pattern=ID_PATTERN)]
FileName = Annotated[str, Meta(pattern=FILE_PATTERN)]
BackendName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]


def is_hub_name(text: str) -> bool:
    """Return whether `text` begins as the name of a model of the hub does; see models/hub.py."""
    return re.match(_HUB_PREFIX, text) is not None


class HubName(NamedTuple):
    """A repository and the quantisation or file that is wanted of it; None: a usual one."""

    repository: str
    wanted: str | None

    @classmethod
    def parse(cls, text: str) -> HubName:
        """Return the parts of a name; raise RequestError for one of another form."""
        match = _HUB_NAME.fullmatch(text)
        if match is None:
            message = f"{text!r:.120} names no model of the hub: use {HUB_FORM}"
            raise RequestError(message, param="id")
        return cls(match["repository"], match["wanted"])

    def means(self, place: str) -> bool:
        """Return whether the file at `place`, OWNER/REPOSITORY/FILE, is one of those meant."""
        owner, _, rest = place.partition("/")
        repository, _, file = rest.partition("/")
        same = f"{owner}/{repository}".lower() == self.repository.lower()
        return same and (self.wanted is None or fits(file, self.wanted))


def fits(file: str, wanted: str) -> bool:
    """Return whether `wanted` is the file or stands in its name between dots or hyphens."""
    if wanted.lower().endswith(".gguf"):
        return file == wanted
    return wanted.lower() in re.split(r"[-./]", file.lower())


def parts_of(file: str) -> list[str]:
    """Return the names of all parts of the model that a GGUF file is the first part of.

    A whole model is its only part, and another part than the first one has none.
    """
    match = _PART.search(file)
    if match is None:
        return [file]
    if int(match[1]) != 1:
        return []
    before, behind = file[: match.start()], file[match.end() :]
    return [f"{before}-{n:05}-of-{match[2]}{behind}" for n in range(1, int(match[2]) + 1)]


def projector_of(files: Sequence[str]) -> str | None:
    """Return the name of the projector among the files of a GGUF model, the model first."""
    parts = parts_of(files[0])
    return next((file for file in files if file not in parts), None)


def split_adapters(name: str) -> tuple[str, list[tuple[str, float]]]:
    """Return the model of "MODEL+ADAPTER=SCALE", and each adapter with its scale, else 1.

    Raises RequestError for a scale that is no number.
    """
    model, *parts = name.split("+")
    found: list[tuple[str, float]] = []
    for part in parts:
        adapter, given, scale = part.partition("=")
        try:
            found.append((adapter, float(scale) if given else 1.0))
        except ValueError:
            found.append((adapter, math.nan))
    if any(not math.isfinite(scale) for _, scale in found):
        message = f"{name!r:.120}: the scale of an adapter is a number: MODEL+ADAPTER=0.5"
        raise RequestError(message, param="model")
    return model, found


def check_id(id: str) -> str:
    """`id` if it can name a model; raises RequestError."""
    if not re.match(ID_PATTERN, id):
        allowed = (
            "lower-case letters, digits, '.', '_' and '-', a letter or digit first, at most 96"
        )
        raise RequestError(f"{id!r:.120} cannot name a model: use {allowed}", param="id")
    if id in _RESERVED:
        raise RequestError(f"{id!r} is reserved and cannot name a model", param="id")
    return id


def derive_id(file: Path, name: str | None) -> str:
    """Return an id from the name of a file or folder or, failing that, from the model's own."""
    called = file.name or file.absolute().name
    stem = called.removesuffix(file.suffix) if file.suffix.lower() in _SUFFIXES else called
    stem = _PART.sub("", stem)
    usual = [stem, name or ""] if not _MEANINGLESS.fullmatch(stem) else [name or "", stem]
    for words in usual:
        id = re.sub(r"[^a-z0-9._]+", "-", words.lower()).strip("-._")[:96].rstrip("-._")
        if id and id not in _RESERVED:
            return id
    raise ModelFileError(f"{file}: no id can be made from its name; give one with --id")


def stored_name(file: Path, usual: str) -> str:
    """Return the name of a file in the store: its own where that is harmless, else `usual`."""
    return file.name if re.match(FILE_PATTERN, file.name) else usual
