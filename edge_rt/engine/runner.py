"""What the decode loop asks of a loaded model, whatever the model does."""

from __future__ import annotations

from typing import Any, Protocol

from edge_rt.engine.protocol import Embed, Generate, Infer


class Limited(Protocol):
    """What a pass may carry; `most` are the prompt tokens that the limits allow, None: any."""

    most: int | None


class Runner(Protocol):
    """The requests on one model, and the passes that serve them."""

    @property
    def serves(self) -> type[Generate] | type[Embed] | type[Infer]:
        """The only requests that it takes."""
        ...

    @property
    def portion(self) -> Limited:
        """What a pass may carry."""
        ...

    @property
    def running(self) -> int:
        """What was begun."""
        ...

    @property
    def waiting(self) -> int:
        """What was not."""
        ...

    @property
    def waits_since(self) -> float:
        """When the first in the queue came, as the clock reads; inf when nobody waits."""
        ...

    @property
    def streaming(self) -> bool:
        """Whether a client sees tokens come, and would feel a long pass."""
        ...

    def submit(self, request: Any) -> None:
        """Queue a request that it `serves`."""
        ...

    def cancel(self, request_id: int) -> None:
        """Drop a request, and tell what it took."""
        ...

    def count(self, prompt: str, *, special: bool) -> tuple[int, int]:
        """Tokens of a prompt, and how many of them are held; RequestError where it has none."""
        ...

    def step(self, *, brief: bool, most: float) -> None:
        """One pass. `brief`: others' streams wait. With `most` running nothing is begun."""
        ...

    def flush(self) -> None:
        """Send what was held back to save messages."""
        ...

    def set_threads(self, threads: int) -> None:
        """Threads of the next passes."""
        ...

    def close(self, why: str) -> None:
        """Fail what is under way and free the model."""
        ...
