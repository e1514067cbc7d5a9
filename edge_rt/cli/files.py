"""Files of the board and of the installation, of which some may not be looked at."""

from __future__ import annotations

from pathlib import Path

_LIMIT = 1 << 20  # bytes; none of these files comes near it


def there(path: Path) -> bool:
    """Whether something is at `path` and may be seen."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def nearest(path: Path) -> Path:
    """`path`, or the nearest of its parents at which something is and may be seen."""
    return next(place for place in (path, *path.parents) if there(place))


def text(path: Path) -> str:
    """What is in a file; empty where it cannot be read."""
    try:
        with path.open(errors="replace") as file:
            return file.read(_LIMIT)
    except OSError:
        return ""
