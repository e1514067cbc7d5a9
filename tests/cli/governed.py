"""What a daemon says of its governor, for tests of what is shown of it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def governor(**other: Any) -> Json:
    """A board under a cap of 8 W."""
    budget = {
        "power_w": 8.0,
        "power_window_s": 1.0,
        "peak_ratio": 1.5,
        "temp_c": None,
        "energy_j": 50_000.0,
        "energy_period": "day",
    }
    return {
        "budget": budget,
        "limits": limits(),
        "guard": "caution",
        "allowance_w": 7.8,
        "allowances_w": {"power_w": 7.8, "temp_c": 9.0},
        "bound_by": "power_w",
        "margin_w": 0.2,
        "predicted_w": 7.7,
        "idle_w": 3.5,
        "horizon_s": 30.0,
        "forecast_c": 66.2,
        "band_c": 1.4,
        "guard_in_s": None,
        "trusted": True,
        "why": "the cap of 8.00 W holds the engine to 60 % of the time",
        "missing": [],
        "spent_j": 12_000.0,
        "period_left_s": 7200.0,
        "knobs": [],
        "slowed": "the cap of 8.00 W holds the engine to 60 % of the time",
    } | other


def limits(**other: Any) -> Json:
    return {
        "threads": 2,
        "duty": 0.6,
        "prefill_chunk": 24,
        "admission": "open",
        "smaller": False,
        "heavy": True,
        "retry_after_s": 0.0,
    } | other


def past(count: int = 60, **other: Any) -> Json:
    """So many seconds under a cap."""
    return {
        "horizon_s": 30.0,
        "time": [1_800_000_000.0 + n for n in range(count)],
        "power_w": [5.0 + 0.1 * n for n in range(count)],
        "temp_c": [50.0] * count,
        "forecast_c": [None, *[50.5] * (count - 1)],
        "band_c": [None, *[1.0] * (count - 1)],
        "allowance_w": [None] * count,
        "cap_w": [8.0] * count,
        "trip_c": [80.0] * count,
        "duty": [0.6] * count,
        "threads": [2] * count,
        "guard": ["ok"] * count,
        "running": [1] * count,
        "waiting": [0] * count,
        "tokens_per_s": [30.0] * count,
    } | other
