"""Files that are whole after a power cut, locks that end with their process, and YAML."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar, cast

import msgspec
import yaml
from msgspec import Meta

from edge_rt.core.errors import ConfigError

READABLE = 0o644  # by all users
YAML_BYTES = 4 << 20  # of a file in YAML, which people write

_MOST = 64 << 20  # bytes of a file that is read as a whole

T = TypeVar("T")

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]  # of a file, in hexadecimal

# libyaml reads 16 times as fast; some builds of PyYAML are without it.
LOADER = cast("type[yaml.CSafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))

NO_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)
"""What yaml.safe_load raises for what is none; a tag that its value does not fit among them."""


def take(lock: Path) -> int:
    """Return the descriptor of a lock that nobody else has while it is open.

    The file stays when it is closed: removing it would let two hold a lock. Raises OSError,
    BlockingIOError where another has it.
    """
    held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(held)
        raise
    return held


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; raises OSError for anything else, such as a FIFO.

    Opening a FIFO the usual way waits for a writer, perhaps for ever.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(fd, "rb")


def read_regular(path: Path, most: int = _MOST) -> bytes:
    """Return the content of a regular file; OSError as `open_regular`, and above `most` bytes.

    The null device, or a link to it as systemd masks files with, is empty.
    """
    if os.path.realpath(path) == os.devnull:
        return b""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"more than {most >> 20} MiB", str(path))
        return file.read(most)


class _Version(msgspec.Struct):
    version: int = 1


class NewerFile(ValueError):
    """A file is of a later version, which this program leaves alone."""


def newer(version: int, known: int) -> str:
    """Return the message for a file of a later version than this program knows."""
    return f"it is of a newer edge_rt (version {version}, this one knows {known}) and left alone"


def decode_kept(content: bytes, kind: type[T], known: int = 1) -> T:
    """Decode what a program has kept as JSON, with the version in `version`, 1 where that lacks.

    Fields are added without another version: an older program does not know them, and passes them
    over. Raises NewerFile for a later version than `known`, else ValueError or RecursionError.
    """
    version = msgspec.json.decode(content, type=_Version).version
    if version > known:
        raise NewerFile(newer(version, known))
    return msgspec.json.decode(content, type=kind)


def read_yaml(path: Path) -> Any:
    """Return what a file holds, None where it is empty.

    Raises ConfigError, with the line if it can.
    """
    try:
        content = read_regular(path, YAML_BYTES)
        with suppress(*NO_YAML):
            return yaml.load(content, LOADER)
        return yaml.safe_load(content)  # PyYAML's own parser says better what is wrong
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise ConfigError(reason, file=str(path)) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(str(error.problem), file=str(path), line=line) from error
    except NO_YAML as error:
        raise ConfigError(f"not YAML: {error}", file=str(path)) from error


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write `path` so that after a crash either the old content is there or the new.

    Makes its folder where that is missing. Raises OSError where the disk refuses; nothing is left
    of the new content then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)  # a killed process left it, or somebody planted a link
    try:
        with draft.open("xb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    sync(path.parent)


def plain_name(text: str) -> str:
    """`text` as part of a file's name: an underscore for whatever could mean something there."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_")


def sync(path: Path) -> None:
    """Have the content of the file or directory `path` on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
