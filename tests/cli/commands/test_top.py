"""`top` fits the terminal whatever there is to tell, and outlives the daemon."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import board_reports as boards
import pytest
from board_reports import Json, channel
from governed import governor, limits, past
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from edge_rt.cli.client import Client
from edge_rt.cli.commands.top import (
    BOARD,
    LEDGER,
    PAST,
    STATUS,
    DaemonSnapshot,
    look,
    picture,
)
from edge_rt.cli.exits import NoDaemon

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Spawn = Any
Terminal = Any
TEXT = st.text(max_size=50)
FIGURE = st.none() | st.floats(-1e12, 1e12)
REPORTS = st.builds(
    boards.nothing,
    board=st.none() | st.fixed_dictionaries({"name": TEXT}),
    simulated=st.booleans(),
    supply=st.none()
    | st.fixed_dictionaries({"rails": st.lists(TEXT), "power_w": FIGURE, "quality": TEXT}),
    temp_c=FIGURE,
    throttled=st.none() | st.lists(TEXT, max_size=12),
    channels=st.lists(
        st.builds(
            channel,
            st.sampled_from(["thermal", "fan", "cpu-load", "pressure", "memory", "x"]),
            TEXT | st.sampled_from(["memory available", "memory total", "policy0 max"]),
            st.sampled_from(["power_w", "temp_c", "clock_hz", "fraction", "bytes", "rpm", "flag"]),
            FIGURE,
            quality=st.sampled_from(["measured", "modelled"]),
        ),
        max_size=80,
    ),
)
LEDGERS = st.builds(
    boards.ledger,
    days=st.lists(st.builds(boards.day_total, energy_j=FIGURE, quality=TEXT), max_size=2),
    models=st.lists(st.builds(boards.model_total, model=TEXT, energy_j=FIGURE), max_size=30),
    last=st.lists(
        st.builds(boards.booking, ended=st.none() | st.floats(), model=TEXT, energy_j=FIGURE),
        max_size=30,
    ),
)
GOVERNORS = st.builds(
    governor,
    why=TEXT,
    guard=TEXT,
    forecast_c=FIGURE,
    guard_in_s=FIGURE,
    missing=st.lists(TEXT, max_size=3),
    limits=st.builds(limits, duty=FIGURE, prefill_chunk=FIGURE),
)
LEFT = "\x1b[?1049l"  # the alternate screen


def shown(seen: DaemonSnapshot, width: int = 80, height: int = 24) -> list[str]:
    return [line.plain for line in picture(seen, width, height)]


def seen(board: Json, **others: Any) -> DaemonSnapshot:
    told: Json = {"status": boards.status(), "ledger": boards.ledger(), "past": past()}
    return DaemonSnapshot(board=board, **told | others)


def rows(seen: DaemonSnapshot) -> dict[str, str]:
    """The first line of each label, as long as it wants to be."""
    lines = shown(seen, 2000, 200)
    return {line[:10].strip(): line[10:] for line in lines[1:] if line[:10].strip()}


def test_a_board_and_its_daemon() -> None:
    told = rows(seen(boards.agx_orin()))
    title = shown(seen(boards.agx_orin()))[0]
    assert title == "Jetson AGX Orin 64GB  edge-rt 0.1  up 1 h 2 min"
    assert told["supply"] == "22.8 W measured, 49.0 °C tj-thermal"
    assert told["throttled"] == "no"
    assert told["engine"] == "running, threads 4, at work 1, waiting 0"
    assert "VDD_GPU_SOC 7.60 W" in told["rails"]
    assert "cpu-thermal 45.0 °C, gpu-thermal 46.0 °C" in told["zones"]
    assert "policy8 1100 MHz" in told["clocks"]
    assert told["memory"] == "memory available 5.00 GiB, memory total 7.50 GiB"
    assert told["fans"] == "pwm_tach 2310 rpm"
    assert told["today"] == "smollm2-135m-instruct: 149 J, 1000 tokens, 12 requests"
    assert "smollm2-135m-instruct, 64 tokens, 2.31 s, 12.4 J" in told["last"]


def test_a_simulated_board_says_once_that_all_is_modelled() -> None:
    lines = shown(seen(boards.pi5()), 200)
    assert "simulated: all is modelled" in lines[0]
    assert sum("modelled" in line for line in lines) == 2, "title and supply"


def test_what_is_modelled_on_a_real_board_says_so() -> None:
    rails = boards.rail("modelled", "cpu", 5.0, 1.0, quality="modelled")
    assert rows(seen(boards.nothing(channels=rails)))["rails"] == "cpu 5.00 W modelled"


def test_a_board_that_is_still_looked_at_is_not_called_unknown() -> None:
    assert shown(seen(boards.nothing(looking=True)))[0].startswith("looking at the board  ")
    assert shown(seen(boards.nothing()))[0].startswith("board not recognised  ")


@pytest.mark.parametrize("make", [boards.x86, boards.nothing])
def test_what_is_missing_is_a_dash(make: Callable[[], Json]) -> None:
    told = rows(seen(make(), status={}, ledger={}, past={}))
    assert told["supply"].startswith("- W")
    assert told["engine"] == "-, threads -, at work -, waiting -"
    assert told["speed"] == "- tok/s"
    assert rows(seen(boards.nothing()))["throttled"] == "-"


def test_speed_and_its_price_are_those_of_the_last_seconds() -> None:
    history = past(10, power_w=[99.0] * 6 + [6.0] * 4, tokens_per_s=[0.0] * 6 + [30.0] * 4)
    told = rows(seen(boards.pi5(), past=history))["speed"]
    assert told == "30.0 tok/s, 0.200 J/token of all that the board draws"
    unknown = history | {"power_w": [6.0] * 9 + [None]}
    assert rows(seen(boards.pi5(), past=unknown))["speed"] == "30.0 tok/s"


def governed_rows(**other: Any) -> dict[str, str]:
    """The lines by their label, of a daemon whose governor is as usual but for `other`."""
    return rows(seen(boards.pi5(), status=boards.status(governor=governor(**other))))


def test_budget_guard_limits_and_the_reason() -> None:
    told = governed_rows()
    assert told["budget"] == "8.00 W, 50.0 kJ each day"
    assert told["guard"] == "caution, 66.2 °C in 30 s"
    assert told["limits"] == "2 threads, 60 % of the time"
    assert told["why"] == "the cap of 8.00 W holds the engine to 60 % of the time"
    assert governed_rows(budget=dict.fromkeys(governor()["budget"]))["budget"] == "none"


@pytest.mark.parametrize(
    ("other", "words"),
    [({"trusted": False}, "30 s (not believed)"), ({"forecast_c": None}, "caution")],
)
def test_what_is_forecast(other: Json, words: str) -> None:
    assert governed_rows(**other)["guard"].endswith(words)


def test_a_daemon_without_a_governor_shows_none() -> None:
    assert not {"guard", "budget"} & set(rows(seen(boards.pi5())))


def test_a_long_reason_goes_on_in_the_next_line() -> None:
    why = "the power cap of 8.00 W allows 2 threads 60 % of the time; " * 2 + "new requests wait"
    lines = shown(seen(boards.pi5(), status=boards.status(governor=governor(why=why))))
    start = next(n for n, line in enumerate(lines) if line.startswith("why"))
    assert " ".join(line[10:] for line in lines[start : start + 2]) == why


@given(REPORTS, LEDGERS, GOVERNORS, TEXT)
def test_no_picture_is_larger_than_80_by_24(
    board: Json, ledger: Json, governor: Json, trouble: str
) -> None:
    status = boards.status(governor=governor)
    failure = NoDaemon(trouble) if trouble else None
    one = seen(board, status=status, ledger=ledger, trouble=failure)
    lines = shown(one)
    assert len(lines) <= 24
    assert all(cell_len(line) <= 80 for line in lines)
    assert any(line.startswith("speed") for line in lines)
    assert not any(len(line.splitlines()) > 1 or "\x1b" in line for line in lines)


@given(REPORTS, st.integers(1, 200), st.integers(1, 60))
def test_no_picture_is_larger_than_the_terminal(board: Json, width: int, height: int) -> None:
    lines = shown(seen(board), width, height)
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)


def test_names_are_no_markup() -> None:
    report = boards.nothing(channels=[channel("thermal", "[red]z[/red]\x1b[2J", "temp_c", 40.0)])
    assert rows(seen(report))["zones"] == "[red]z[/red][2J 40.0 °C"


def test_a_part_that_is_not_told_leaves_the_others(daemon: Daemon) -> None:
    daemon.documents[STATUS] = (200, boards.status())
    daemon.documents[LEDGER] = (503, {"error": {"message": "the ledger is locked"}})
    daemon.documents[BOARD] = (200, boards.pi5())
    with Client(daemon.path) as client:
        one = look(client)
    assert not one.gone
    lines = shown(one)
    assert "the ledger is locked" in lines[1:3]
    assert any(line.startswith("rails") for line in lines)


def serve(daemon: Daemon, board: Json) -> None:
    daemon.documents[STATUS] = (200, boards.status())
    daemon.documents[LEDGER] = (200, boards.ledger())
    daemon.documents[PAST] = (200, past())
    daemon.documents[BOARD] = (200, board)


def test_a_daemon_that_says_nothing_is_waited_for_once(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen()
        mute.setblocking(False)
        with Client(tmp_path / "mute.sock", patience_s=0.05) as client:
            found = look(client)
        assert found.gone
        assert "does not answer" in str(found.trouble and found.trouble.message)
        mute.accept()[0].close()
        with pytest.raises(BlockingIOError):
            mute.accept()


@pytest.mark.parametrize("options", [["--once"], []])
def test_off_a_terminal_it_is_one_picture(daemon: Daemon, cli: Cli, options: list[str]) -> None:
    serve(daemon, boards.agx_orin())
    result = cli("top", *options, "--period", "0.2")
    assert result.exit_code == 0
    assert "leaves" not in result.stdout
    lines = result.stdout.splitlines()
    assert len(lines) <= 24
    assert lines[0].startswith("Jetson AGX Orin 64GB  edge-rt 0.1")


def test_on_a_terminal_that_cannot_be_redrawn_it_is_one_picture(
    daemon: Daemon, terminal: Terminal
) -> None:
    serve(daemon, boards.agx_orin())
    shell = terminal("top", "--period", "0.2")
    assert "\x1b" not in shell.rest()
    assert shell.process.wait() == 0


def test_without_a_daemon_it_is_3(cli: Cli) -> None:
    result = cli("top")
    assert result.exit_code == 3
    assert "no daemon answers" in result.stderr


@pytest.fixture
def live(daemon: Daemon, terminal: Terminal, environ: dict[str, str]) -> Any:
    """`top` on a terminal of 80 by 24, a picture being shown."""
    environ["TERM"] = "xterm"
    serve(daemon, boards.nothing(temp_c=41.5))
    shell = terminal("top", "--period", "0.2")
    shell.resize(80, 24)
    shell.read_until("41.5")
    return shell


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_a_key_leaves_and_all_is_put_back(live: Any, key: str) -> None:
    live.type(key)
    rest = live.rest()
    assert LEFT in rest
    assert "\x1b[?25h" in rest
    assert live.process.wait() == 0


def test_it_follows_what_changes_and_other_keys_do_nothing(daemon: Daemon, live: Any) -> None:
    live.type("x")
    daemon.documents[BOARD] = (200, boards.nothing(temp_c=42.5))
    live.read_until("42.5")


def test_a_daemon_that_goes_away_is_waited_for(daemon: Daemon, live: Any, tmp_path: Path) -> None:
    away = daemon.path.rename(tmp_path / "away.sock")
    live.read_until("no daemon answers")
    live.read_until("Waiting for it.")
    daemon.documents[BOARD] = (200, boards.nothing(temp_c=43.5))
    away.rename(daemon.path)
    live.read_until("43.5")
    live.type("q")
    assert live.process.wait() == 0


def test_a_new_size_is_filled(daemon: Daemon, live: Any) -> None:
    serve(daemon, boards.pi5())
    live.read_until("RAIL_0")
    live.resize(60, 40)
    live.read_until("last ")


def test_sigterm_puts_the_terminal_back(live: Any) -> None:
    live.process.send_signal(signal.SIGTERM)
    assert LEFT in live.rest()
    assert live.process.wait() == 128 + signal.SIGTERM
