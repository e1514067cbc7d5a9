"""How many bytes of bodies, and of what they are decoded to, are held at once."""

from __future__ import annotations

from edge_rt.core.errors import Unavailable

RETRY_S = 2.0


class BodyQuota:
    """Counts the bytes of the bodies that requests have sent and are not done with."""

    def __init__(self, most: int) -> None:
        """So many bytes of all requests at once."""
        self.held = 0
        self._most = most

    def take(self, count: int, *, force: bool = False) -> None:
        """Hold so many more; raises Unavailable where that would be too many, unless by `force`."""
        if not force and self.held + count > self._most:
            raise Unavailable(
                "The bodies of requests under way, and what they are decoded to, come to the "
                f"{self._most} bytes that may be held at once (requests.bodies_bytes): "
                "try again later.",
                retry_after_s=RETRY_S,
                code="bodies",
            )
        self.held += count

    def give_back(self, count: int) -> None:
        """Hold so many less."""
        self.held -= count
