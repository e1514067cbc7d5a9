"""A compressed archive of a few papers, for the eyes of whoever made it."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

from edge_rt.cli.exits import Failure

FOLDER = "edge-rt-support"  # what it unpacks to


def write_archive(path: Path, papers: Mapping[str, bytes], now_s: float) -> None:
    """Make the new file `path`, which only its owner can read; `now_s` is in Unix seconds.

    Failure where it is there already or cannot be written; then nothing is left of it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Failure(f"{path} is there already: name another file") from None
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}; name another place") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                for name in sorted(papers):
                    _put(archive, f"{FOLDER}/{name}", papers[name], now_s)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise Failure(f"cannot write {path}: {error.strerror or error}") from error


def _put(archive: tarfile.TarFile, name: str, content: bytes, now_s: float) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), 0o600, int(now_s)
    archive.addfile(member, io.BytesIO(content))
