"""Fetching a model file from a model hub, going on where an earlier try ended."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import httpx

from edge_rt.core.errors import ModelFileError, Unavailable
from edge_rt.models.catalogue import Hub, ModelFile
from edge_rt.models.store.digest import Progress

USUAL_ENDPOINT = "https://huggingface.co"  # HF_ENDPOINT names another, as for other hub clients
_TIMEOUT = httpx.Timeout(30, connect=10)
_TRIES = 3  # each goes on where the last one ended


def fetch_hub(
    source: Hub,
    file: ModelFile,
    work: Path,
    *,
    endpoint: str = USUAL_ENDPOINT,
    progress: Progress | None = None,
) -> Path:
    """Download the file to `work`; the caller checks it. The proxies of the environment count.

    Raises Unavailable when it cannot be had now (what has come stays for the next try),
    ModelFileError when it has another size.
    """
    target = work / "download"
    path = quote(f"{source.repository}/resolve/{source.revision}/{source.file}")
    url = f"{endpoint.rstrip('/')}/{path}"
    with httpx.Client(follow_redirects=True, timeout=_TIMEOUT) as client:
        for attempt in range(_TRIES):
            try:
                _download(client, url, target, file.bytes, progress)
                break
            except httpx.HTTPError as error:
                if attempt == _TRIES - 1 or isinstance(error, httpx.HTTPStatusError):
                    raise _unavailable(url, error) from error
            except httpx.InvalidURL as error:
                raise _unavailable(url, error) from error
    return target


def _unavailable(url: str, error: Exception) -> Unavailable:
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.HTTPStatusError):
        reason = f"HTTP {error.response.status_code} {error.response.reason_phrase}".strip()
    return Unavailable(f"{url}: {reason}", retry_after_s=60, code="fetch_failed")


def _download(
    client: httpx.Client, url: str, target: Path, size: int, progress: Progress | None
) -> None:
    have = target.stat().st_size if target.exists() else 0
    if have >= size:
        return
    headers = {"Accept-Encoding": "identity"}  # ranges count the bytes that are sent
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        if response.headers.get("content-range", "").startswith(f"bytes {have}-"):
            _receive(response, target, have, size, progress)
        else:
            _receive(response, target, 0, size, progress)


def _receive(
    response: httpx.Response, target: Path, have: int, size: int, progress: Progress | None
) -> None:
    """Write the body behind the first `have` bytes of `target`."""
    with target.open("r+b" if have else "wb") as sink:
        sink.seek(have)
        sink.truncate()
        for chunk in response.iter_raw():
            have += len(chunk)
            if have > size:
                raise ModelFileError(f"{response.url}: more than the {size} bytes of the model")
            sink.write(chunk)
            if progress is not None:
                progress(have, size)
    if have < size:
        raise ModelFileError(f"{response.url}: has {have} bytes, the model {size}")
