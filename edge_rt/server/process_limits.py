"""Limits of the front process: its open files, and the memory that its C library keeps."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress

MOST_FILES = 4096  # open at once; more than the connections, models and sensors of any board
_LARGE = 128 * 1024  # bytes
_M_MMAP_THRESHOLD = -3  # of malloc.h


def raise_file_limit(most: int = MOST_FILES) -> int:
    """Raise the soft limit of open files to the hard one, or to `most`; return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def return_large_blocks(from_bytes: int = _LARGE) -> None:
    """Have malloc map large blocks one by one, so that the kernel has each back when it is freed.

    Otherwise glibc takes larger and larger blocks from its heap after the first such block was
    freed, and request bodies of megabytes leave a fragmented heap that never shrinks.
    """
    with suppress(AttributeError):  # a C library without mallopt, such as musl, needs none
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, from_bytes)
