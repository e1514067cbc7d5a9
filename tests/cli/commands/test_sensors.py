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

from edge_rt.cli.commands.sensors import follow
from edge_rt.cli.views.sensors import report_tables

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Spawn = Any
Start = Any

BOARD = "/edge/v1/board"


def shown(report: Json, width: int = 80) -> list[str]:
    file = io.StringIO()
    console = Console(width=width, file=file)
    console.print(report_tables(report, width))
    return file.getvalue().splitlines()


def row(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.startswith(f"{name} "))


def test_an_orin_has_its_rails_in_order_and_aligned() -> None:
    lines = shown(boards.agx_orin())
    assert "Jetson AGX Orin 64GB (jetson-agx-orin-64gb), exact:" in row(lines, "board")
    supply = "22.8 W, measured, of the module; 9.50 W when idle"
    assert row(lines, "supply").split(None, 1)[1].rstrip() == supply
    assert "VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0" in row(lines, "formed by")
    assert "1368 J in 1 min 0 s since it was found; 2.5 s more are missing" in row(lines, "energy")
    assert "49.0 °C tj-thermal" in row(lines, "hottest")
    assert "80.0 °C in cpu-thermal, now 45.0 °C" in row(lines, "slows at")
    assert "not counted: it is a radio's" in row(lines, "soc0-thermal")
    assert row(lines, "throttled").split() == ["throttled", "no"]
    start = lines.index(row(lines, "rails"))
    assert lines[start].split() == ["rails", "W", "V", "A", "J"]
    # Those beside the total come last, and every figure ends under its unit.
    assert lines[start + 4].startswith("VDDQ_VDD2_1V8AO")
    for line in lines[start + 1 : start + 5]:
        assert line.split()[1:5] == ["7.600", "19.000", "0.400", "456.0"]
        for unit, figure in zip("WVAJ", ["7.600", "19.000", "0.400", "456.0"], strict=True):
            end = lines[start].index(f" {unit}") + 2
            assert line[:end].endswith(figure)
    # Of the supply it is told above how much is missing.
    assert ["2.5 s" in line for line in lines[start + 1 : start + 5]] == 3 * [False] + [True]
    assert row(lines, "policy4").split()[1:4] == ["1100", "115", "2200"]
    assert row(lines, "pwm_tach").split()[1:3] == ["2310", "-"]
    assert row(lines, "available").split()[1] == "5.00"
    assert "labelled NC: not connected" in "".join(lines)


def test_a_fraction_of_a_reader_of_another_package_is_shown() -> None:
    report = boards.nothing(channels=[channel("battery", "BAT0", "fraction", 0.83)])
    lines = shown(report)
    assert row(lines, "fractions").split() == ["fractions", "%"]
    assert row(lines, "BAT0").split()[:2] == ["BAT0", "83.0"]


@pytest.mark.parametrize("make", [boards.agx_orin, boards.pi5, boards.x86, boards.nothing])
def test_80_columns_are_enough(make: Callable[[], Json]) -> None:
    report = make()
    lines = shown(report)
    assert max(cell_len(line) for line in lines) <= 80
    text = "".join("".join(lines).split())
    for gauge in report["channels"]:
        # Nothing is cut off: long names go on in the next line.
        assert gauge["name"].partition(" ")[0].partition("_")[0] in text


def test_before_the_first_look_has_ended_nothing_is_claimed() -> None:
    [only] = shown(boards.nothing(looking=True))
    assert only.split(None, 1) == ["board", "still looking at the board: try again in a second"]
    report = boards.nothing(looking=True, root="/tmp/twin", simulated=True)
    assert row(shown(report), "read below").rstrip().endswith("/tmp/twin, simulated")


def test_the_names_of_a_block_are_as_wide_as_it_needs() -> None:
    lines = shown(boards.pi5())
    assert row(lines, "cpu-thermal").startswith("cpu-thermal  61.2  thermal")
    assert row(lines, "policy0").startswith("policy0  2400  cpufreq")
    flag = row(lines, "soft temperature limit occurred")  # in one line, as there is room
    assert flag.split()[4:6] == ["no", "pi-throttled"]


def test_long_files_are_told_whole_below_their_row_and_beside_it_where_there_is_room() -> None:
    file = "/sys/devices/" + "deep/" * 30 + "in1_input"
    skipped = [{"name": file, "reason": "labelled NC: not connected"}]
    rail = boards.rail("ina3221", "VDD", 5.0, 1.0, source=file, quality="modelled")
    report = boards.nothing(channels=rail, not_read=skipped)
    lines = shown(report, 200)
    assert lines[lines.index(row(lines, "VDD")) + 1] == f"    {file}, modelled"
    whole = shown(report, 1000)
    assert f"{file}, modelled" in row(whole, "VDD")
    assert any(line.startswith(f"{file} ") for line in whole)


def test_what_is_modelled_says_so_in_its_row() -> None:
    lines = shown(boards.pi5())
    for name in ("supply", "RAIL_7", "cpu-thermal", "under voltage", "policy0", "EXT5V"):
        assert "modelled" in row(lines, name)
    assert "/tmp/twin, simulated" in row(lines, "read below")
    assert "modelled" not in row(lines, "engine")
    assert "modelled" not in "".join(shown(boards.agx_orin()))


def test_what_is_missing_is_a_dash_and_never_0() -> None:
    lines = shown(boards.x86())
    assert row(lines, "supply").split(None, 1)[1].startswith("-, measured, of the package")
    assert row(lines, "energy").split(None, 1)[1].startswith("-; 1 min 0 s more are missing")
    assert row(lines, "package-0/core").split()[1:3] == ["-", "-"]
    assert row(lines, "x86_pkg_temp").split()[1] == "-"
    assert "was 52.0 °C 12 s ago" in row(lines, "x86_pkg_temp")


def test_a_rail_that_may_be_anything_is_not_called_the_board() -> None:
    lines = shown(boards.nothing(channels=[channel("ina3221", "VDD", "power_w", 5.0)]), 200)
    assert "no total of a board profile names VDD" in row(lines, "supply")


def test_rails_in_doubt_are_told_with_the_reason() -> None:
    text = "\n".join(shown(boards.nothing(doubts={"VDD": "it draws more than its whole"})))
    assert "in doubt" in text
    assert "it draws more than its whole" in text


def test_one_reason_for_many_files_is_told_once() -> None:
    text = "\n".join(shown(boards.x86()))
    assert text.count("--action=add") == text.count("energy_uj may") == 1
    assert "temp: EIO (Input/output error)" in text


def test_a_board_with_nothing_has_nothing_but_dashes() -> None:
    lines = shown(boards.nothing())
    assert len(lines) == 4
    assert row(lines, "hottest").split() == ["hottest", "-"]
    assert row(lines, "supply").split()[1] == "-"
    assert row(lines, "throttled").split() == ["throttled", "-"]


def test_names_are_no_markup_and_no_orders_to_the_terminal() -> None:
    name = "[red]z[/red]\x1b[2J\n:smile:"
    report = boards.nothing(
        channels=[channel("thermal", name, "temp_c", 40.0)],
        not_read=[{"name": "[b]x", "reason": "[/b]\x9b31m"}],
    )
    text = "\n".join(shown(report))
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
    assert f"{'z' * 300}  40.0  /sys/thermal/{'z' * 300}" in cli("sensors").stdout


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
    assert result.stdout.index("RAIL_11") < result.stdout.index("\n\nboard ")
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
