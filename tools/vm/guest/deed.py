"""One thing that is tried in a guest, and how it must end."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

DONE = "done"
CONTAINER, KERNEL = "container", "kernel"  # kinds of guests, the second with a kernel of its own


@dataclass(frozen=True)
class Deed:
    """How it is tried, and what it may end with in the unit's sandbox: errors, or DONE.

    In the `places` root without the sandbox has `reached`: so the attempt is one. Elsewhere the
    place itself is in its way. `held` are the places where systemd can enforce it.
    """

    do: Callable[[], object]
    ends: frozenset[str]
    reached: frozenset[str] = frozenset((DONE,))
    places: frozenset[str] = frozenset((CONTAINER, KERNEL))
    held: frozenset[str] = frozenset((CONTAINER, KERNEL))


def attempt(deed: Deed) -> str:
    """Return how it ends, in a process of its own: DONE or the name of an error."""
    child = os.fork()
    if child == 0:
        os._exit(_ended(deed))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        return signal.Signals(-code).name
    return errno.errorcode.get(code, str(code)) if code else DONE


def _ended(deed: Deed) -> int:
    try:
        deed.do()
    except OSError as error:
        return error.errno or 255
    except BaseException:
        return 255
    return 0
