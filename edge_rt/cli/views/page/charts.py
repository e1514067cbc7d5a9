"""The charts of the page of `edge-rt report`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from edge_rt.cli.views.page.chart import Chart, Curve
from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import number, significant
from edge_rt.cli.words.quantity import readable

_GUARDS = ("ok", "caution", "hold", "evacuate")


def charts(past: Json) -> list[Chart]:
    """From /edge/v1/history."""

    def of(name: str) -> list[float | None]:
        return [number(value) for value in cast("list[object]", past.get(name) or [])]

    ahead = readable("", past.get("horizon_s"))
    words = cast("list[object]", past.get("guard") or [])
    places = {word: float(place) for place, word in enumerate(_GUARDS)}
    guards = [places.get(str(word)) for word in words]
    duty = [None if value is None else 100 * value for value in of("duty")]
    how = "simulated" if past.get("simulated") else "measured"
    forecast = Curve(f"forecast {ahead} s before", "b", of("forecast_c"), of("band_c"))
    return [
        Chart(
            "Power",
            "W",
            [
                Curve("drawn" if how == "measured" else how, "a", of("power_w")),
                Curve("allowed", "d", of("allowance_w"), steps=True, aside=True),
                Curve("budget", "b", of("cap_w"), steps=True),
            ],
            floor=0.0,
        ),
        Chart(
            "Temperature",
            "°C",
            [
                Curve(how, "a", of("temp_c")),
                forecast,
                Curve(_trip(of("trip_c")), "c", of("trip_c"), steps=True, aside=True),
            ],
        ),
        Chart(
            "Share of time that the engine may compute",
            "%",
            [Curve("duty", "a", duty, steps=True)],
            floor=0.0,
            top=100.0,
        ),
        Chart(
            "Threads",
            "",
            [Curve("threads", "a", of("threads"), steps=True)],
            floor=0.0,
            counts=True,
        ),
        Chart("Speed", "tok/s", [Curve("tokens a second", "a", of("tokens_per_s"))], floor=0.0),
        Chart(
            "Requests",
            "",
            [
                Curve("running", "a", of("running"), steps=True),
                Curve("waiting", "b", of("waiting"), steps=True),
            ],
            floor=0.0,
            top=1.0,
            counts=True,
        ),
        Chart(
            "Guard",
            "",
            [Curve("guard", "a", guards, steps=True)],
            floor=0.0,
            top=len(_GUARDS) - 1.0,
            words=_GUARDS,
        ),
    ]


def _trip(trips: Sequence[float | None]) -> str:
    known = {trip for trip in trips if trip is not None}
    return f"throttles at {significant(known.pop())} °C" if len(known) == 1 else "throttles at"
