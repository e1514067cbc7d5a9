"""`report` draws one page that needs nothing else."""

from __future__ import annotations

import re
from datetime import timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import board_reports as boards
import pytest
from governed import Json, governor, past

from edge_rt.cli.commands.report import page
from edge_rt.cli.views.chart import Chart, Curve, draw, legend

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any

STATUS = {"board": {"id": "raspberry-pi-5"}, "governor": governor()}


def paths(svg: str) -> list[str]:
    found = ElementTree.fromstring(svg).iter("path")
    return [path.get("d") or "" for path in found]


def chart(*values: float | None, **options: Any) -> str:
    return draw(Chart("Power", "W", [Curve("drawn", "a", values, **options)]), range(len(values)))


def test_a_curve_goes_from_left_to_right_and_up_is_more() -> None:
    [path] = paths(chart(1.0, 2.0, 4.0))
    points = [tuple(map(float, point.split())) for point in re.split("[ML]", path)[1:]]
    xs, ys = zip(*points, strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys, reverse=True)


def test_what_is_missing_breaks_the_curve_and_is_not_0() -> None:
    assert len(paths(chart(1.0, 1.0, None, 2.0, 2.0))) == 2
    assert paths(chart(None, None)) == []
    times = [0.0, 1.0, 2.0, 100.0, 101.0, 102.0]
    broken = draw(Chart("P", "W", [Curve("p", "a", [1.0] * 6)]), times)
    assert len(paths(broken)) == 2  # the daemon was not there


def test_limits_are_steps() -> None:
    [path] = paths(chart(1.0, 2.0, steps=True))
    assert path.count("L") == 2


def test_a_curve_aside_does_not_squeeze_the_others() -> None:
    def drawn(far: float) -> tuple[list[str], str]:
        curves = [Curve("measured", "a", [30.0, 40.0]), Curve("trip", "c", [far] * 2, aside=True)]
        temps = Chart("Temperature", "°C", curves)
        return paths(draw(temps, [0.0, 1.0])), legend(temps, [0.0, 1.0])

    near, far, alone = drawn(44.0), drawn(80.0), paths(chart(30.0, 40.0))
    assert len(near[0]) == 2
    assert far[0] == alone
    assert (">trip<" in near[1], ">trip, above this<" in far[1]) == (True, True)


def test_words_stand_for_numbers() -> None:
    guard = Chart("Guard", "", [Curve("g", "a", [0, 1])], top=2.0, words=("ok", "warm", "hot"))
    texts = [text.text for text in ElementTree.fromstring(draw(guard, [0.0, 1.0])).iter("text")]
    assert texts[:3] == ["ok", "warm", "hot"]


def test_a_band_is_drawn_where_it_is_known() -> None:
    area, _ = paths(chart(1.0, 2.0, 3.0, band=[None, 0.5, 0.5]))
    assert area.endswith("Z")
    assert area.count("L") == 3


@pytest.mark.parametrize("count", [1, 2, 3000])
def test_any_length_makes_a_page(count: int) -> None:
    text = page(past(count), boards.ledger(), STATUS, timezone.utc)
    parser = HTMLParser()
    parser.feed(text)
    svgs = re.findall("<svg.*?</svg>", text, re.DOTALL)
    assert len(svgs) == 7
    for svg in svgs:
        ElementTree.fromstring(svg)
    assert "http" not in text


def test_the_page_says_why() -> None:
    text = page(past(), boards.ledger(), STATUS, timezone.utc)
    assert "the cap of 8.00 W holds the engine to 60 % of the time" in text
    assert "forecast 30 s before" in text


def test_a_simulated_board_is_never_told_as_measured() -> None:
    status: Json = {"board": {"id": "raspberry-pi-5", "simulated": True}, "governor": governor()}
    text = page(past(simulated="raspberry-pi-5"), boards.ledger(), status, timezone.utc)
    assert "edge-rt on raspberry-pi-5 (simulated)</title>" in text
    assert "Simulated board raspberry-pi-5: the figures are not this machine" in text
    assert "measured" not in text
    assert text.count(">simulated</span>") == 2, "the temperature and the power"
    real = page(past(), boards.ledger(), STATUS, timezone.utc)
    assert "simulated" not in real
    assert ">measured</span>" in real


def test_names_cannot_break_out() -> None:
    status: Json = {"board": {"id": "<script>"}, "governor": governor(why="<b>")}
    booking = boards.booking(model="<i>", ended=1_800_000_030.0)
    text = page(past(), boards.ledger(last=[booking]), status, timezone.utc)
    assert "&lt;i&gt;" in text
    assert not re.search("<(script|b|i)>", text)
    assert "<h2>The last request</h2>" in text


def test_nothing_known_makes_a_page_too() -> None:
    blind = {
        name: [None] * 60
        for name in ("power_w", "temp_c", "forecast_c", "band_c", "cap_w", "trip_c")
    }
    assert page(past(**blind), {}, {}, timezone.utc).count("<svg") == 7


def serve(daemon: Daemon, since: int, history: Json) -> None:
    daemon.documents[f"/edge/v1/history?since={since}"] = (200, history)
    daemon.documents["/edge/v1/ledger?days=2&last=200"] = (200, boards.ledger())
    daemon.documents["/edge/v1/status"] = (200, STATUS)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("15m", 900), ("1h", 3600)])
def test_it_is_written(cli: Cli, daemon: Daemon, tmp_path: Path, text: str, seconds: int) -> None:
    serve(daemon, seconds, past())
    out = tmp_path / "r.html"
    result = cli("report", "--since", text, "--out", str(out))
    assert (result.exit_code, result.stdout) == (0, f"{out}\n")
    assert out.read_text().startswith("<!doctype html>")


def test_a_dash_is_standard_output(
    cli: Cli, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    serve(daemon, 3600, past())
    result = cli("report", "--out", "-")
    assert (result.exit_code, result.stdout.startswith("<!doctype html>")) == (0, True)
    assert not (tmp_path / "-").exists()


def test_a_daemon_without_a_past_says_so(cli: Cli, daemon: Daemon, tmp_path: Path) -> None:
    serve(daemon, 3600, past(0))
    result = cli("report", "--out", str(tmp_path / "r.html"))
    assert result.exit_code == 1
    assert "remembers nothing yet" in result.stderr


@pytest.mark.parametrize("text", ["0", "2d", "soon", "-5m", "9" * 20])
def test_what_is_no_time_is_wrong_usage(cli: Cli, text: str) -> None:
    assert cli("report", f"--since={text}").exit_code == 2


def test_a_phone_shows_the_report_in_its_own_width() -> None:
    document = page(past(), boards.ledger(), STATUS, timezone.utc)
    assert '<meta name="viewport" content="width=device-width">' in document
    assert "table { display: block; overflow-x: auto;" in document
