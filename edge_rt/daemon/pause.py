"""How seconds pass: `asyncio.sleep`, or a test's clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Pause = Callable[[float], Awaitable[object]]
