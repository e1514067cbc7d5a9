"""Prometheus loads the alert rules, and they fire on what they are for; promtool is the judge."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

MONITORING = Path(__file__).parents[2] / "docs/monitoring"
RULES = MONITORING / "alerts.yaml"

pytestmark = pytest.mark.slow  # .ci/run installs promtool


@dataclass(frozen=True)
class Case:
    """Series of half an hour, a value a minute, that turn bad after ten minutes."""

    series: dict[str, str]
    labels: dict[str, str]  # of the alert, besides those of its rule


CASES = {
    "EdgeRtDown": Case(
        {'up{job="edge-rt", instance="pi"}': "1x9 0x20"}, {"job": "edge-rt", "instance": "pi"}
    ),
    "EdgeRtPowerCapExceeded": Case(
        {
            'edge_rt_supply_power_watts{instance="pi", covers="board", quality="measured"}': (
                "10x9 10.3x20"
            ),
            'edge_rt_budget_power_watts{instance="pi"}': "10x30",
            'edge_rt_supply_power_watts{instance="free", covers="board", quality="measured"}': (
                "99x30"
            ),
        },
        {"instance": "pi", "covers": "board", "quality": "measured"},
    ),
    "EdgeRtHot": Case(
        {
            'edge_rt_board_temperature_celsius{instance="pi"}': "60x9 76x20",
            'edge_rt_trip_temperature_celsius{instance="pi", zone="cpu"}': "80x30",
        },
        {"instance": "pi"},
    ),
    "EdgeRtThrottled": Case(
        {'edge_rt_board_events_total{instance="pi", event="undervoltage"}': "3x9 4x20"},
        {"instance": "pi", "event": "undervoltage"},
    ),
    "EdgeRtRefusesRequests": Case(
        {'edge_rt_refused_requests_total{instance="pi", reason="queue"}': "0x9 0+12x20"},
        {"instance": "pi", "reason": "queue"},
    ),
    "EdgeRtErrors": Case(
        {
            'edge_rt_requests_total{instance="pi", endpoint="chat", status="500"}': "0x9 0+6x20",
            'edge_rt_requests_total{instance="pi", endpoint="chat", status="200"}': "0+60x30",
        },
        {"instance": "pi"},
    ),
    "EdgeRtSensorMissing": Case(
        {'edge_rt_sensor_missing{instance="pi", reader="rapl", name="psys", kind="power"}': (
            "0x9 1x20"
        )},
        {"instance": "pi", "reader": "rapl", "name": "psys", "kind": "power"},
    ),
    "EdgeRtStateNotWritten": Case(
        {'edge_rt_storage_writable{instance="pi", file="ledger"}': "1x9 0x20"},
        {"instance": "pi", "file": "ledger"},
    ),
}  # fmt: skip


def promtool(*words: str | Path) -> None:
    program = shutil.which("promtool")
    assert program is not None, "promtool is missing: apt-get install promtool"
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr


def rules() -> dict[str, dict]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def test_every_alert_has_a_case() -> None:
    assert set(CASES) == set(rules())


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_on_what_it_is_for_and_on_nothing_else(alert: str, tmp_path: Path) -> None:
    case = CASES[alert]
    fires = {
        "exp_labels": {"severity": rules()[alert]["labels"]["severity"], **case.labels},
        "exp_annotations": rendered(rules()[alert]["annotations"], case.labels),
    }
    unit = {
        "interval": "1m",
        "input_series": [
            {"series": series, "values": values} for series, values in case.series.items()
        ],
        "alert_rule_test": [
            {"eval_time": "9m", "alertname": alert},
            {"eval_time": "24m" if "for" in rules()[alert] else "11m", "alertname": alert}
            | {"exp_alerts": [fires]},
        ],
    }
    test = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [unit]}
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test))
    promtool("test", "rules", path)


def rendered(annotations: dict[str, str], labels: dict[str, str]) -> dict[str, str]:
    """Return the annotations as Prometheus fills them in."""
    done = annotations
    for name, value in labels.items():
        done = {key: text.replace(f"{{{{ $labels.{name} }}}}", value) for key, text in done.items()}
    return done


def test_prometheus_reads_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    recorded = [
        {"record": f"panel:{at}", "expr": expr.replace("$__rate_interval", "5m")}
        for at, expr in enumerate(asked)
    ]
    assert recorded
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    promtool("check", "rules", path)
