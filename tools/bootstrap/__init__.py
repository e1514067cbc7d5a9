"""What `tools/run` and `tools/test` share: from a bare Python to a working `.venv`.

Standard library only, since nothing else is there yet. Everything that is downloaded or built
goes to one cache directory outside the checkout; only `.venv` lies inside.
"""

from __future__ import annotations


class SetupError(Exception):
    """Setting up failed; the message says what to do about it."""
