"""`sensors` shows every figure of the board, and what is missing with its reason."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import board_reports as boards
import pytest
from board_reports import Json, channel
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from edge_rt.cli.commands.sensors import board_view, follow

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Spawn = Any
Start = Any

BOARD = "/edge/v1/board"


def shown(report: Json, width: int = 80) -> list[str]:
    file = io.StringIO()
    Console(width=width, file=file).print(board_view(report))
    return file.getvalue().splitlines()


def row(lines: list[str], name: str) -> list[str]:
    line = next(line for line in lines if line.startswith(f"{name} "))
    return [part.strip() for part in line.split("  ") if part.strip()]


def test_an_orin_is_told_whole() -> None:
    lines = shown(boards.agx_orin(), 200)
    assert row(lines, "board name")[1] == "Jetson AGX Orin 64GB"
    assert row(lines, "supply power")[1] == "22.8 W"
    assert row(lines, "supply rails")[1] == "VDD_GPU_SOC, VDD_CPU_CV, VIN_SYS_5V0"
    assert row(lines, "supply missing")[1] == "2.5 s"
    assert row(lines, "hottest name")[1] == "tj-thermal"
    assert row(lines, "nearest trip")[1] == "80.0 °C"
    assert row(lines, "not counted soc0-thermal")[1] == "it is a radio's"
    assert row(lines, "throttled")[1] == "none"
    assert row(lines, "VDD_GPU_SOC")[1:4] == ["7.60 W", "power_w", "ina3221"]
    assert row(lines, "policy4 max")[1] == "2200 MHz"
    assert row(lines, "memory available")[1] == "5.00 GiB"
    assert "labelled NC: not connected" in "".join(lines)


@pytest.mark.parametrize("make", [boards.agx_orin, boards.pi5, boards.x86, boards.nothing])
def test_80_columns_are_enough(make: Callable[[], Json]) -> None:
    report = make()
    lines = shown(report)
    assert max(cell_len(line) for line in lines) <= 80
    text = "".join("".join(lines).split())
    for gauge in report["channels"]:
        # Nothing is cut off: long names go on in the next line.
        assert gauge["name"].partition(" ")[0].partition("_")[0] in text


def test_what_is_modelled_says_so_in_its_row() -> None:
    lines = shown(boards.pi5(), 200)
    for name in ("RAIL_7", "cpu-thermal", "under_voltage", "policy0", "EXT5V"):
        assert "modelled" in row(lines, name)
    assert row(lines, "supply quality")[1] == "modelled"
    assert row(lines, "simulated")[1] == "yes"
    assert "modelled" not in row(lines, "cpu")
    assert "modelled" not in "".join(shown(boards.agx_orin()))


def test_what_is_missing_is_a_dash_and_never_0() -> None:
    lines = shown(boards.x86(), 1000)
    assert row(lines, "supply power")[1] == "-"
    assert row(lines, "package-0/core")[1] == "-"
    assert row(lines, "x86_pkg_temp")[1] == "-"
    assert "temp: EIO (Input/output error)" in "".join(lines)


def test_names_are_no_markup_and_no_orders_to_the_terminal() -> None:
    name = "[red]z[/red]\x1b[2J\n:smile:"
    report = boards.nothing(
        channels=[channel("thermal", name, "temp_c", 40.0)],
        not_read=[{"name": "[b]x", "reason": "[/b]\x9b31m"}],
    )
    text = "\n".join(shown(report, 200))
    assert "[red]z[/red][2J :smile:" in text
    assert "[/b]31m" in text
    assert "\x1b" not in text


@given(
    st.lists(
        st.builds(
            channel,
            st.sampled_from(["thermal", "fan", "cpu-load", "ina3221", "x"]),
            st.text(max_size=60),
            st.sampled_from(
                ["power_w", "voltage_v", "temp_c", "clock_hz", "fraction", "flag", "?"]
            ),
            st.none() | st.floats(-1e6, 1e12),
            last=st.none() | st.floats(-1e6, 1e6),
            error=st.none() | st.text(max_size=200),
        ),
        max_size=12,
    ),
    st.sampled_from([80, 200]),
)
def test_no_report_is_wider_than_the_terminal(channels: list[Json], width: int) -> None:
    lines = shown(boards.nothing(channels=channels), width)
    assert max(cell_len(line) for line in lines) <= width


def test_the_daemon_is_asked(daemon: Daemon, cli: Cli) -> None:
    daemon.documents[BOARD] = (200, boards.agx_orin())
    result = cli("sensors")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "VDDQ_VDD2_1V8AO" in result.stdout
    assert json.loads(cli("sensors", "--json").stdout) == boards.agx_orin()


def test_off_a_terminal_nothing_is_cut_and_the_files_are_told(daemon: Daemon, cli: Cli) -> None:
    long = boards.nothing(channels=[channel("thermal", "z" * 300, "temp_c", 40.0)])
    daemon.documents[BOARD] = (200, long)
    assert f"/sys/thermal/{'z' * 300}\n" in cli("sensors").stdout


class Looks:
    """Reads no board, and notes what was to be read."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, Path, float]] = []

    def __call__(self, board: str | None, root: Path, period_s: float) -> Iterator[object]:
        self.asked.append((board, root, period_s))
        yield boards.pi5()
        yield boards.x86()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    looks = Looks()
    monkeypatch.setattr("edge_rt.board.monitor.look", looks)
    return looks


def test_without_a_daemon_the_board_is_read_here(cli: Cli, looks: Looks, tmp_path: Path) -> None:
    result = cli("sensors")
    assert result.exit_code == 0
    assert result.stderr == f"no daemon at {tmp_path}/edge-rt.sock: read directly\n"
    assert "Raspberry Pi 5" in result.stdout
    assert looks.asked == [(None, Path("/"), 1.0)]


def test_reading_here_can_be_asked_for(
    daemon: Daemon, cli: Cli, looks: Looks, tmp_path: Path
) -> None:
    config = tmp_path / "etc" / "config.yaml"
    config.write_text(f"board: raspberry-pi-5\nsensors:\n  root: {tmp_path}/a\n")
    assert cli("sensors", "--direct").stderr == ""
    assert cli("sensors", "--sensors-root", str(tmp_path)).exit_code == 0
    board = "raspberry-pi-5"
    assert looks.asked == [(board, tmp_path / "a", 1.0), (board, tmp_path, 1.0)]


def test_a_tree_of_files_is_really_read(cli: Cli, tmp_path: Path) -> None:
    zone = tmp_path / "board" / "sys" / "class" / "thermal" / "thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("soc\n")
    (zone / "temp").write_text("41500\n")
    result = cli("sensors", "--sensors-root", str(tmp_path / "board"), "--json")
    report = json.loads(result.stdout)
    assert report["root"] == str(tmp_path / "board")
    assert [(c["name"], c["value"]) for c in report["channels"] if c["kind"] == "temp_c"] == [
        ("soc", 41.5)
    ]


def test_a_faulty_configuration_is_told(cli: Cli, looks: Looks, tmp_path: Path) -> None:
    (tmp_path / "etc" / "config.yaml").write_text("sensors: 5\n")
    assert cli("sensors", "--direct").exit_code == 6


def test_watching_prints_a_line_of_json_each_time(cli: Cli, looks: Looks) -> None:
    result = cli("sensors", "--direct", "--json", "--watch", "0.5")
    assert [json.loads(line)["board"]["name"] for line in result.stdout.splitlines()] == [
        "Raspberry Pi 5",
        "PC",
    ]
    assert looks.asked[0][2] == 0.5


def test_watching_off_a_terminal_prints_one_after_the_other(cli: Cli, looks: Looks) -> None:
    result = cli("sensors", "--direct", "--watch")
    assert result.stdout.index("RAIL_11") < result.stdout.rindex("\n\nboard id ")
    assert looks.asked[0][2] == 1.0


def test_ctrl_c_ends_watching_without_failure(daemon: Daemon, spawn: Spawn) -> None:
    daemon.documents[BOARD] = (200, boards.pi5())
    process = spawn("sensors", "--watch", "0.1", "--json")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")


def test_a_closed_pipe_ends_watching_quietly(daemon: Daemon, spawn: Spawn) -> None:
    daemon.documents[BOARD] = (200, boards.pi5())
    for options in ([], ["--json"]):
        process = spawn("sensors", "--watch", "0.1", *options)
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141  # as SIGPIPE has it


def test_on_a_terminal_it_is_redrawn_in_place(
    daemon: Daemon, terminal: Start, environ: dict[str, str]
) -> None:
    environ["TERM"] = "xterm"
    daemon.documents[BOARD] = (200, boards.nothing(temp_c=41.5))
    shell = terminal("sensors", "--watch", "0.1")
    shell.read_until("41.5")
    daemon.documents[BOARD] = (200, boards.nothing(temp_c=42.5))
    assert "\x1b[1A" in shell.read_until("42.5")  # the cursor went up
    shell.type("\x03")
    assert "\x1b[?25h" in shell.rest()  # and can be seen again
    assert shell.process.wait() == 0


def test_an_end_of_reports_ends_it() -> None:
    follow(iter([]), as_json=True)
