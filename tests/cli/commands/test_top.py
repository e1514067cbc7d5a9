"""`top` fits the terminal whatever there is to tell, and outlives the daemon."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable
from datetime import timezone
from pathlib import Path
from typing import Any

import board_reports as boards
import pytest
from board_reports import Json, channel
from governed import governor, limits
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from edge_rt.cli.client import Client
from edge_rt.cli.exits import NoDaemon
from edge_rt.cli.views.looks import BOARD, LEDGER, STATUS, DaemonSnapshot, Trend, look
from edge_rt.cli.views.picture import picture

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Spawn = Any
Terminal = Any


def shown(
    one: DaemonSnapshot, width: int = 80, height: int = 24, trend: Trend | None = None
) -> list[str]:
    lines = picture(one, trend or Trend(), width, height, timezone.utc)
    return [line.plain.rstrip() for line in lines]


def seen(board: Json, **others: Any) -> DaemonSnapshot:
    told: Json = {"status": boards.status(), "ledger": boards.ledger()}
    return DaemonSnapshot(1.0, board=board, **told | others)


def test_an_orin_fits_an_old_terminal() -> None:
    trend = Trend()
    trend.add(0.0, boards.status(), boards.agx_orin())
    lines = shown(seen(boards.agx_orin()), trend=trend)
    assert lines[:9] == [
        "Jetson AGX Orin 64GB  edge-rt 0.1  up 1 h 2 min",
        "supply    22.8 W measured  49.0 °C tj-thermal",
        "throttled no",
        "engine    running, threads 4, at work 1, waiting 0",
        "speed     - tok/s",
        "",
        "rails     VDD_GPU_SOC     7.600 W ██▋       VDD_CPU_CV      7.600 W ██▋",
        "          VIN_SYS_5V0     7.600 W ██▋       VDDQ_VDD2_1V8AO 7.600 W ██▋",
        "zones     cpu-thermal  45.0 °C  gpu-thermal  46.0 °C  cv0-thermal  47.0 °C",
    ]
    text = "\n".join(lines)
    for words in (
        "policy8      1100/2200 MHz",
        "cpu      25.0 % ██",
        "memory    5.00 of 7.50 GiB available, 1.5 % of the time stalled",
        "pwm_tach 2310 rpm",
        "today     432 kJ in all, 149 J of it for answers, measured",
        "smollm2-135m-instruct: 149 J, 0.149 J/token, 12 requests",
        "last      11:06:40 smollm2-135m-instruct, 64 tokens, 2.31 s, 12.4 J\n",
        "64 tokens, 2.31 s, - J, cancelled",
    ):
        assert words in text
    assert "more" not in text


def test_a_simulated_board_says_once_that_all_is_modelled() -> None:
    lines = shown(seen(boards.pi5()))
    assert "simulated: all is modelled" in lines[0]
    assert "5.94 W modelled" in lines[1]
    assert "throttled under-voltage" in lines


def test_a_long_name_leaves_the_rest_of_the_title_its_place() -> None:
    board = boards.pi5()
    board["board"]["name"] = "NVIDIA Jetson Orin NX Super 16 GB"
    for width, begin in (
        (120, "NVIDIA Jetson Orin NX Super 16 GB (simulated: all is modelled)  edge-rt"),
        (80, "NVIDIA Jetson Orin NX Super … (simulated)  edge-rt"),
        (64, "NVIDIA Jetson … (simulated)  edge-rt 0.1  up"),
    ):
        title = picture(seen(board), Trend(), width, 24, hint="q leaves")[0].plain
        assert title.startswith(begin)
        assert title.endswith("  q leaves")
        assert cell_len(title) <= width


def test_what_is_modelled_on_a_real_board_says_so() -> None:
    rails = boards.rail("modelled", "cpu", 5.0, 1.0, quality="modelled")
    text = "\n".join(shown(seen(boards.nothing(channels=rails))))
    assert "5.000 W modelled" in text


def test_a_board_that_is_still_looked_at_is_not_called_unknown() -> None:
    assert shown(seen(boards.nothing(looking=True)))[0].startswith("looking at the board  ")
    assert shown(seen(boards.nothing()))[0].startswith("board not recognised  ")


@pytest.mark.parametrize("make", [boards.x86, boards.nothing])
def test_what_is_missing_is_a_dash(make: Callable[[], Json]) -> None:
    lines = shown(seen(make(), status={}, ledger={}))
    assert lines[1].split()[:3] == ["supply", "-", "W"]
    assert "-, threads -, at work -, waiting -" in lines[3]
    assert "throttled - (no flag of it can be read)" in lines


def test_speed_and_its_price() -> None:
    trend = Trend()
    for second in range(3):
        board = boards.pi5()
        board["supply"]["energy_j"] += 6.0 * second
        trend.add(second, boards.status(tokens={"completion": 100 + 30 * second}), board)
    line = next(x for x in shown(seen(boards.pi5()), trend=trend) if x.startswith("speed"))
    assert line == "speed     30.0 tok/s, 0.200 J/token modelled of all that the board draws"


def governed_lines(**other: Any) -> dict[str, str]:
    """The lines by their label, of a daemon whose governor is as usual but for `other`."""
    status = boards.status(governor=governor(**other))
    lines = shown(seen(boards.pi5(), status=status))
    return {line[:10].strip(): line[10:] for line in lines if line[:10].strip()}


def test_budget_guard_limits_and_the_reason() -> None:
    rows = governed_lines()
    assert rows["budget"] == "8.00 W over 1 s, 12.0 kJ of 50.0 kJ this day"
    assert rows["guard"] == "caution, 66.2 ± 1.4 °C in 30 s"
    assert rows["limits"] == "2 threads, 60 % of the time, 24 prompt tokens a pass"
    assert rows["why"] == "the cap of 8.00 W holds the engine to 60 % of the time"


def test_what_is_not_capped_and_holds_nothing_back_takes_one_line() -> None:
    budget = dict.fromkeys(governor()["budget"])
    free = limits(duty=1.0, prefill_chunk=None)
    rows = governed_lines(budget=budget, limits=free, guard="ok", why="nothing holds back")
    assert rows["guard"] == "ok, 66.2 ± 1.4 °C in 30 s, no budget"
    assert not {"budget", "limits", "why"} & set(rows)


def test_no_budget_gives_way_to_the_guard() -> None:
    budget = dict.fromkeys(governor()["budget"])
    guard = governed_lines(budget=budget, trusted=False, guard_in_s=95.0)["guard"]
    assert guard.endswith("(not believed), too hot in 1 min 35 s")


def test_a_reason_is_whole_before_others_have_all_their_lines() -> None:
    status = boards.status(governor=governor(why="it is warm and it will be warmer; " * 10))
    lines = shown(seen(boards.agx_orin(), status=status))
    assert sum("warmer" in line for line in lines) == 5
    assert len(lines) == 24


def test_a_long_reason_goes_on_in_the_next_line() -> None:
    why = "the power cap of 8.00 W allows 2 threads 60 % of the time; " * 2 + "new requests wait"
    status = boards.status(governor=governor(why=why, missing=["No power can be read: " * 5]))
    lines = shown(seen(boards.pi5(), status=status))
    start = next(n for n, line in enumerate(lines) if line.startswith("why"))
    assert " ".join(line[10:] for line in lines[start : start + 2]) == why
    assert lines[start + 2].startswith("missing   No power can be read:")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"guard_in_s": 95.0, "trusted": False}, "(not believed), too hot in 1 min 35 s"),
        ({"forecast_c": None}, "caution"),
        ({"band_c": None}, "caution, 66.2 °C in 30 s"),
    ],
)
def test_what_is_forecast(other: Json, words: str) -> None:
    assert governed_lines(**other)["guard"].endswith(words)


def test_a_daemon_without_a_governor_shows_none() -> None:
    text = "\n".join(shown(seen(boards.pi5())))
    assert "guard" not in text
    assert "budget" not in text


def test_the_history_of_power_has_a_fixed_place() -> None:
    trend = Trend()
    places: list[int] = []
    for second in range(40):
        trend.add(second, {}, {"supply": {"power_w": float(second)}})
        places.append(shown(seen(boards.pi5()), trend=trend)[1].index("61.2 °C"))
    assert len(set(places[1:])) == 1
    assert shown(seen(boards.pi5()), trend=trend)[1].count("█") > 1


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
    assert "[red]z[/red][2J" in "\n".join(shown(seen(report)))


def test_a_part_that_is_not_told_leaves_the_others(daemon: Daemon) -> None:
    daemon.documents[STATUS] = (200, boards.status())
    daemon.documents[LEDGER] = (503, {"error": {"message": "the ledger is locked"}})
    daemon.documents[BOARD] = (200, boards.pi5())
    with Client(daemon.path) as client:
        one = look(client)
    assert not one.gone
    lines = shown(one)
    assert lines[1] == "the ledger is locked"
    assert any(line.startswith("rails") for line in lines)


def serve(daemon: Daemon, board: Json) -> None:
    daemon.documents[STATUS] = (200, boards.status())
    daemon.documents[LEDGER] = (200, boards.ledger())
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


def test_one_picture_tells_the_speed(daemon: Daemon, cli: Cli) -> None:
    serve(daemon, boards.agx_orin())
    counted = iter(range(0, 1000, 40))

    class Growing:
        """More tokens at each look."""

        def get(self, path: str, other: Any) -> Any:
            if path != STATUS:
                return documents.get(path, other)
            return (200, boards.status(tokens={"completion": next(counted)}))

    documents, daemon.documents = daemon.documents, Growing()
    speed = re.search(
        r"^speed +([\d.]+) tok/s", cli("top", "--once", "--period", "0.2").stdout, re.M
    )
    assert speed is not None
    assert 0 < float(speed[1]) <= 40 / 0.2


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


LEFT = "\x1b[?1049l"  # the alternate screen


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
    live.resize(60, 16)
    live.read_until("more")


def test_sigterm_puts_the_terminal_back(live: Any) -> None:
    live.process.send_signal(signal.SIGTERM)
    assert LEFT in live.rest()
    assert live.process.wait() == 128 + signal.SIGTERM
