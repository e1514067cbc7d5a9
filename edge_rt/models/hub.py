"""Models of the hub by name, as Ollama and llama.cpp take them: OWNER/REPOSITORY:QUANTISATION."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import httpx
import msgspec
from msgspec import field

from edge_rt.core.errors import ModelFileError, ModelNotFound, Unavailable
from edge_rt.models.catalogue import Catalogue, CatalogueEntry, Hub, ModelFile
from edge_rt.models.http_get import HubAccess, in_time, unavailable
from edge_rt.models.naming import HubName, derive_id, fits, parts_of, stored_name
from edge_rt.models.store.incoming import PROJECTOR

_USUAL = ("Q4_K_M", "Q4_K_S", "Q4_0", "Q5_K_M", "Q8_0")  # taken first where none is named
_PROJECTOR = re.compile(r"(^|[-._/])mmproj.*\.gguf\Z", re.IGNORECASE)
_PROJECTORS = ("Q8_0", "F16", "BF16", "F32")  # taken first: those that take less memory
_NO_MODEL = re.compile(r"(^|[-._/])(mmproj|imatrix)", re.IGNORECASE)
_LISTED = 12  # files that a message names
_LARGEST = 16 << 20  # bytes of what the hub tells; thousands of files take two


class _Lfs(msgspec.Struct, frozen=True):
    sha256: str | None = None
    oid: str | None = None


class _Sibling(msgspec.Struct, frozen=True):
    rfilename: str
    size: int | None = None
    lfs: _Lfs | None = None

    @property
    def sha256(self) -> str | None:
        """The content's hash; None for a small file, which the hub does not hash so."""
        return None if self.lfs is None else self.lfs.sha256 or self.lfs.oid


class _Card(msgspec.Struct, frozen=True):
    license: str | list[str] | None = None
    license_name: str | None = None


class _Repository(msgspec.Struct, frozen=True):
    """What the hub's API tells of a repository."""

    sha: str
    siblings: list[_Sibling]
    card: _Card | None = field(default=None, name="cardData")

    @property
    def licence(self) -> str:
        """The licence that its card names."""
        card = self.card or _Card()
        named = card.license if isinstance(card.license, str) else ", ".join(card.license or ())
        return (card.license_name if named == "other" else named) or "unknown"


def find_on_hub(text: str, catalogue: Catalogue, hub: HubAccess) -> CatalogueEntry:
    """Return the model of that name as an entry whose source is the hub.

    The name, size and sha256 of its file are those that the hub's API tells of the newest
    revision. A file that `catalogue` knows is its entry. Raise RequestError for a name of another
    form, ModelNotFound where the hub has no such model, and Unavailable where it cannot be asked.
    """
    name = HubName.parse(text)
    told = asyncio.run(_ask(name.repository, hub))
    parts = _parts(name, _chosen(name, told.siblings), told.siblings)
    projector = _projector(told.siblings)
    path = Path(parts[0].rfilename)
    try:
        id = derive_id(path, name.repository.partition("/")[2])
        files = [(part, f"{id}.gguf") for part in parts]
        if projector is not None:
            files.append((projector, PROJECTOR))
        entry = CatalogueEntry(
            id=id,
            description=f"{path.name} of {name.repository}",
            publisher=name.repository.partition("/")[0],
            licence=told.licence,
            backend="llama.cpp",
            files=[_file(one, usual, name.repository, told.sha) for one, usual in files],
        )
        entry = msgspec.convert(msgspec.to_builtins(entry), CatalogueEntry)  # which checks it
    except (msgspec.ValidationError, ModelFileError) as error:
        raise ModelNotFound(f"{path} of {name.repository}: {error}") from error
    return (None if projector else catalogue.of_content(entry.sha256)) or entry


def _file(part: _Sibling, usual: str, repository: str, revision: str) -> ModelFile:
    if part.sha256 is None or not part.size:
        raise ModelNotFound(f"the hub tells no sha256 of {part.rfilename} of {repository}")
    return ModelFile(
        name=stored_name(Path(part.rfilename), usual),
        bytes=part.size,
        sha256=part.sha256,
        sources=[Hub(repository=repository, file=part.rfilename, revision=revision)],
    )


def _parts(name: HubName, first: _Sibling, siblings: Sequence[_Sibling]) -> list[_Sibling]:
    """Return all files of the model that begins with `first`."""
    there = {one.rfilename: one for one in siblings}
    names = parts_of(first.rfilename)
    if missing := [each for each in names if each not in there]:
        raise ModelNotFound(f"{name.repository} lacks {missing[0]}, a part of the model")
    return [there[each] for each in names]


async def _ask(repository: str, hub: HubAccess) -> _Repository:
    url = hub.url(f"api/models/{repository}")
    try:
        async with hub.get(url, params={"blobs": "true"}) as response:
            if response.status_code in (401, 403, 404):
                raise ModelNotFound(
                    f"the hub has no model {repository}, or it is private: check the name; for a "
                    "private one, set HF_TOKEN to a token of an account that may read it"
                )
            response.raise_for_status()
            return msgspec.json.decode(await _content(response, hub), type=_Repository)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise unavailable(url, error) from error
    except (ValueError, RecursionError) as error:  # msgspec before 0.23: UnicodeDecodeError, too
        message = f"{url}: is no answer of a model hub: {error}"
        raise Unavailable(message, retry_after_s=60, code="fetch_failed") from error


async def _content(response: httpx.Response, hub: HubAccess) -> bytes:
    """Return the body; raises DecodeError for one that is larger than any model's."""
    content = bytearray()
    # In small pieces: a compressed body may be huge once it is unpacked.
    async for piece in in_time(response.aiter_bytes(65536), hub.patience):
        content += piece
        if len(content) > _LARGEST:
            raise msgspec.DecodeError(f"it is larger than {_LARGEST} bytes")
    return bytes(content)


def _chosen(name: HubName, siblings: Sequence[_Sibling]) -> _Sibling:
    models = [one for one in siblings if one.rfilename.lower().endswith(".gguf")]
    models = [one for one in models if not _NO_MODEL.search(one.rfilename)]
    whole = [one for one in models if parts_of(one.rfilename)]
    if not whole:
        raise ModelNotFound(
            f"{name.repository}: it has no GGUF file, and only such models can be pulled; look for "
            "a repository whose name ends in -GGUF"
        )
    if name.wanted is not None:
        found = _named(whole, name.wanted)
    else:
        usual = (_named(whole, quantisation) for quantisation in _USUAL)
        found = next(filter(None, usual), whole)
    if len(found) == 1:
        return found[0]
    names = [one.rfilename for one in found or whole]
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    reason = f"has no file {name.wanted!r}" if not found else "has several that fit"
    raise ModelNotFound(f"{name.repository} {reason}; name a file behind a colon: {listed}")


def _projector(siblings: Sequence[_Sibling]) -> _Sibling | None:
    """Return the projector with which models of the repository see images, if there is one."""
    found = [one for one in siblings if _PROJECTOR.search(one.rfilename) and one.sha256]
    usual = (one for quantisation in _PROJECTORS for one in _named(found, quantisation))
    return next(usual, found[0] if found else None)


def _named(files: Sequence[_Sibling], wanted: str) -> list[_Sibling]:
    return [one for one in files if fits(one.rfilename, wanted)]
