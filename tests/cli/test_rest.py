from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_rt.cli.private_daemon import board, wait_for_rest

Report = dict[str, Any]

UNSEEN: Report = {"supply": None, "channels": []}
STARTING: Report = {"supply": {"idle_w": None}, "channels": ["VDD_IN"]}
RESTING: Report = {"supply": {"idle_w": 2.3}, "channels": ["VDD_IN"]}
POWERLESS: Report = {"supply": None, "channels": ["cpu"]}


class Looks:
    """Gives one report after the other, the last one for ever, and counts."""

    def __init__(self, *reports: Report | None) -> None:
        self._reports = list(reports)
        self.count = 0

    def __call__(self) -> Report | None:
        self.count += 1
        return self._reports.pop(0) if len(self._reports) > 1 else self._reports[0]


@pytest.mark.parametrize(
    ("reports", "count"),
    [
        ([RESTING], 1),
        ([UNSEEN, STARTING, STARTING, RESTING], 4),
        ([UNSEEN, POWERLESS], 2),
        ([UNSEEN, None], 2),
    ],
)
def test_it_looks_until_power_at_rest_is_known_or_will_not_be(
    reports: list[Report | None], count: int
) -> None:
    looks = Looks(*reports)
    wait_for_rest(looks, sleep=lambda _: None)
    assert looks.count == count


def test_it_does_not_wait_for_ever() -> None:
    slept: list[float] = []
    wait_for_rest(Looks(STARTING), patience_s=4.0, sleep=slept.append)
    assert sum(slept) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("200 OK\r\ncontent-length: 18\r\n\r\n" + '{"supply": null}  ', {"supply": None}),
        ("404 Not Found\r\ncontent-length: 2\r\n\r\n{}", None),
        ("200 OK\r\ncontent-length: 2\r\n\r\n<>", None),
        ("", None),
    ],
)
def test_the_board_is_asked_over_the_socket(
    tmp_path: Path, answer: str, found: Report | None
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        asked: list[bytes] = []

        def serve() -> None:
            with listener.accept()[0] as client:
                asked.append(client.recv(4096))
                client.sendall(f"HTTP/1.1 {answer}".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        assert board(tmp_path / "s") == found
        thread.join()
    assert asked[0].startswith(b"GET /edge/v1/board ")


def test_a_daemon_that_is_gone_tells_nothing(tmp_path: Path) -> None:
    assert board(tmp_path / "nobody") is None
