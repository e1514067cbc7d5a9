"""The kernel kills for memory: the daemon goes on, says so, and answers once there is some.

While the memory of who was killed is not free yet, the kernel may kill a second one: on a busy
machine every fifth time. That is the other program, then. They are run by hand:
`pytest -m whole tests/vm/test_shortage.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from vm_asking import eventually, streaming, text
from vm_guests import MODEL, STREAM, Box
from vm_shortage import STEP, Group, Other

pytestmark = pytest.mark.whole

SPARE = 16 << 20  # bytes that nobody uses before the other program begins
MODEL_BYTES = 64 << 20  # less than the loaded model takes beside the pages of its file
MOST = 400  # steps of other programs
KILLED = "memory was short and the kernel killed it"
AGAIN = 5  # requests while memory is short


class Shortage:
    """Memory that just suffices for the daemon and its loaded engine, and who may take of it."""

    def __init__(self, box: Box, group: Group) -> None:
        self.box, self.group = box, group
        self.other = Other(group)
        self._kept = 0  # steps

    def squeeze(self) -> None:
        """Have memory taken until the kernel kills."""
        before = self.group.kills
        for _ in range(MOST):
            self.other.take()
            if self.group.kills > before:
                self._kept = self.other.steps + MODEL_BYTES // STEP
                return
        raise AssertionError(f"the kernel killed nobody for {MOST * STEP} bytes")

    def keep(self) -> None:
        """Have so much taken that the next engine starts, but loads nothing."""
        for _ in range(MOST):
            if self.other.steps >= self._kept and self.other.lives:
                return
            if not self.other.take():
                self.other.close()
                self.other = Other(self.group)
        raise AssertionError("the kernel kills others")

    def ask(self) -> httpx.Response:
        """The answer to what a stream asks, all at once."""
        with self.box.client() as http:
            return http.post("/v1/completions", json=STREAM | {"model": MODEL})


@pytest.fixture
def short(box: Box) -> Iterator[Shortage]:
    """The service with its model loaded in as much memory as that takes."""
    box.complete(prompt="Hello", max_tokens=1)
    shortage = Shortage(box, Group(box.guest.outside(int(box.show("MainPID")))))
    try:
        box.run("kill", "-KILL", str(box.engine()))  # the next is in the group from the start
        box.complete(**STREAM)
        shortage.group.limit(shortage.group.used + SPARE)
        yield shortage
    finally:
        shortage.other.close()
        box.run("systemctl", "restart", "edge-rt.service")
        shortage.group.close()


def lives(box: Box) -> tuple[str, str]:
    """The daemon's process, and how often systemd has started it again."""
    return box.show("MainPID"), box.show("NRestarts")


def engines(box: Box) -> int:
    """Return how many engines were lost."""
    with box.client() as http:
        return http.get("/edge/v1/status").json()["engine"]["restarts"]


def test_a_shortage_that_passes_costs_a_stream_nothing(short: Shortage) -> None:
    box = short.box
    whole, daemon, killed = box.complete(**STREAM), lives(box), box.engine()
    with streaming(box) as said:
        short.squeeze()
        short.other.close()
        assert text(said()) == whole
    assert lives(box) == daemon
    assert str(killed) not in box.processes()
    assert KILLED in box.log()


def test_while_memory_stays_short_it_says_so_and_then_it_answers_again(short: Shortage) -> None:
    box = short.box
    whole, daemon, before = box.complete(**STREAM), lives(box), engines(box)
    with streaming(box) as said:
        short.squeeze()
        short.keep()
        *begun, last = said()
    assert last["error"]["code"] == "out_of_memory"
    assert "Use a smaller model" in last["error"]["message"]
    assert whole.startswith("".join(event["choices"][0]["text"] for event in begun))
    for _ in range(AGAIN):
        short.keep()
        refused = short.ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "out_of_memory")
        assert int(refused.headers["retry-after"]) >= 1
    assert engines(box) - before <= 6, "it is not tried again and again"
    short.other.close()
    answer = eventually(lambda: (got := short.ask()).status_code == 200 and got, "it answers")
    assert answer.json()["choices"][0]["text"] == whole
    assert lives(box) == daemon
