"""`top` shows what the daemon tells the page, and outlives the daemon."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from governed import governor
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edge_rt.cli.commands.top import picture
from edge_rt.cli.text import Json

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Terminal = Any
TEXT = st.text(max_size=50)
FIGURE = st.none() | st.floats(-1e12, 1e12)
EVENTS = "/edge/v1/events"
LEFT = "\x1b[?1049l"  # the alternate screen
REQUEST = {
    "ended": 1_800_000_000.0,
    "model": "smollm2-135m-instruct",
    "status": "done",
    "tokens": 64,
    "seconds": 2.31,
    "energy_j": 12.4,
    "quality": "measured",
    "why": None,
}
MODEL = {
    "id": "smollm2-135m-instruct",
    "size_bytes": 100 << 20,
    "gpu_bytes": 0,
    "context": 4096,
    "leaves_in_s": None,
}


def snapshot(**told: Any) -> Json:
    """What GET /edge/v1/events tells of a Raspberry Pi 5; `told` goes before what is usual."""
    state = governor()
    usual: Json = {
        "type": "snapshot",
        "time": 1_800_000_060.0,
        "board": "Raspberry Pi 5",
        "simulated": False,
        "power_w": 5.94,
        "power_quality": "measured",
        "temp_c": 61.25,
        "throttled": [],
        "budget": state["budget"],
        "guard": "caution",
        "why": state["why"],
        "warnings": [],
        "forecast_c": 66.2,
        "running": 1,
        "waiting": 0,
        "tokens_per_s": 30.0,
        "today_j": 149.0,
        "models": [MODEL],
        "apps": [],
        "budgets": [],
        "requests": [REQUEST],
    }
    return usual | told


def shown(seen: Json, width: int = 200) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(picture(seen), crop=False, overflow="ignore")
    return captured.get()


def rows(seen: Json) -> dict[str, str]:
    """The lines by their first words, which two blanks end."""
    return dict(line.split("  ", 1) for line in shown(seen).splitlines() if "  " in line)


def test_a_board_and_its_daemon() -> None:
    told = {name: text.strip() for name, text in rows(snapshot()).items()}
    assert told["board"] == "Raspberry Pi 5"
    assert told["power"] == "5.94 W"
    assert told["temp"] == "61.2 °C"
    assert told["budget"] == "8.00 W, 50.0 kJ each day"
    assert told["guard"] == "caution"
    assert told["throttled"] == "none"
    text = shown(snapshot())
    assert "100.0 MiB" in text
    assert "12.4 J" in text


def test_what_is_missing_is_a_dash() -> None:
    told = rows(snapshot(power_w=None, temp_c=None, throttled=None))
    assert [told[name].strip() for name in ("power", "temp", "throttled")] == ["-", "-", "-"]


@given(
    st.builds(
        snapshot,
        board=st.none() | TEXT,
        power_w=FIGURE,
        temp_c=FIGURE,
        why=TEXT,
        warnings=st.lists(TEXT, max_size=3),
        throttled=st.none() | st.lists(TEXT, max_size=12),
        requests=st.lists(
            st.builds(lambda **told: REQUEST | told, model=TEXT, energy_j=FIGURE), max_size=30
        ),
    )
)
def test_nothing_that_is_told_moves_the_cursor(seen: Json) -> None:
    assert not {*shown(seen)} & {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - {"\n"}


def test_names_are_no_markup() -> None:
    assert "[red]z[/red][2J" in shown(snapshot(board="[red]z[/red]\x1b[2J"))


def serve(daemon: Daemon, **told: Any) -> None:
    daemon.streams[EVENTS] = [{"type": "hello", "version": "0.1"}, snapshot(**told), "hang"]


@pytest.mark.parametrize("options", [["--once"], []])
def test_off_a_terminal_it_is_one_picture(daemon: Daemon, cli: Cli, options: list[str]) -> None:
    serve(daemon)
    result = cli("top", *options, "--period", "0.2")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split("  ")[-1] == "Raspberry Pi 5"
    assert daemon.cancelled.wait(30), "the stream of events is left"


def test_on_a_terminal_that_cannot_be_redrawn_it_is_one_picture(
    daemon: Daemon, terminal: Terminal
) -> None:
    serve(daemon)
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
    serve(daemon, temp_c=41.5)
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
    serve(daemon, temp_c=42.5)
    live.read_until("42.5")


def test_a_daemon_that_goes_away_is_waited_for(daemon: Daemon, live: Any, tmp_path: Path) -> None:
    away = daemon.path.rename(tmp_path / "away.sock")
    live.read_until("no daemon answers")
    live.read_until("Waiting for it.")
    serve(daemon, temp_c=43.5)
    away.rename(daemon.path)
    live.read_until("43.5")
    live.type("q")
    assert live.process.wait() == 0


def test_a_new_size_is_filled(daemon: Daemon, live: Any) -> None:
    serve(daemon, requests=[REQUEST | {"model": f"model-{n}"} for n in range(12)])
    live.resize(120, 50)
    live.read_until("model-11")


def test_sigterm_puts_the_terminal_back(live: Any) -> None:
    live.process.send_signal(signal.SIGTERM)
    assert LEFT in live.rest()
    assert live.process.wait() == 128 + signal.SIGTERM
