"""How many bytes of bodies are held at once."""

from __future__ import annotations

from edge_rt.errors import Unavailable

RETRY_S = 2.0


class Intake:
    """Counts the bytes of the bodies that requests have sent and are not done with."""

    def __init__(self, most: int) -> None:
        """So many bytes of all requests at once."""
        self.held = 0
        self._most = most

    def take(self, count: int) -> None:
        """Hold so many more; raises Unavailable where that would be too many."""
        if self.held + count > self._most:
            raise Unavailable(
                f"The bodies of requests under way come to the {self._most} bytes that may be held "
                "at once (requests.bodies_bytes): try again later.",
                retry_after_s=RETRY_S,
                code="bodies",
            )
        self.held += count

    def give_back(self, count: int) -> None:
        """Hold so many less."""
        self.held -= count
