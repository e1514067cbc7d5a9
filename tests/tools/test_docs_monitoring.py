"""The dashboard, the alert rules and Home Assistant's sensors ask for what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import msgspec
import pytest
import yaml
from docslib.metrics import metrics, sample

from edge_rt.core.reports.board import BoardReport
from edge_rt.core.reports.governor import GovernorState

DOCS = Path(__file__).parents[2] / "docs"
_ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*) \|", re.MULTILINE)
_SERIES = re.compile(r"\b(edge_rt_\w+)(?:\{([^}]*)\})?")
_BY = re.compile(r"\bby \(([^)]*)\)")
_OF_PROMETHEUS = {"instance", "job", "le"}


def known() -> dict[str, set[str]]:
    """The labels of each series of /metrics."""
    found: dict[str, set[str]] = {}
    for name, kind, labels in _ROW.findall(metrics()):
        ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        for end in ends:
            found[name + end] = set(re.findall(r"`(\w+)`", labels))
    return found


def dashboard() -> Iterator[str]:
    for panel in json.loads((DOCS / "monitoring/grafana-dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def rules() -> list[dict[str, str]]:
    return yaml.safe_load((DOCS / "monitoring/alerts.yaml").read_text())["groups"][0]["rules"]


EXPRESSIONS = [*dashboard(), *(rule["expr"] for rule in rules())]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_series_and_labels_exist(expression: str) -> None:
    series = known()
    asked = _SERIES.findall(expression)
    assert asked or expression.startswith("up{")
    labels = set[str]()
    for name, matchers in asked:
        assert name in series
        labels |= series[name]
        assert set(re.findall(r"(\w+)=", matchers)) <= series[name] | _OF_PROMETHEUS
    for names in _BY.findall(expression):
        assert {name.strip() for name in names.split(",")} <= labels | _OF_PROMETHEUS


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_what_an_alert_says_names_labels_that_it_has(rule: dict) -> None:
    labels = {label for name, _ in _SERIES.findall(rule["expr"]) for label in known()[name]}
    said = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", said)) <= labels | _OF_PROMETHEUS
    assert rule["labels"]["severity"] in ("info", "warning", "critical")


def test_home_assistants_sensors_find_their_values() -> None:
    [text] = re.findall(
        r'^```yaml title="configuration.yaml"\n(.*?)^```$',
        (DOCS / "how-to/monitor.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    empty = BoardReport(None, "/", False, None, None, None, [], [], [])
    answers = {
        "/edge/v1/board": (sample(BoardReport), empty),
        "/edge/v1/budget": (sample(GovernorState),),
    }
    available = 0
    for resource in yaml.safe_load(text)["rest"]:
        [path] = [path for path in answers if resource["resource"].endswith(path)]
        for answer in answers[path]:
            value = msgspec.json.decode(msgspec.json.encode(answer))
            for sensor in resource["sensor"]:
                if rendered(sensor["availability"], value) == "True":
                    float(rendered(sensor["value_template"], value))
                    available += 1
    assert available == 3, "each has a value once, and none where nothing is read"


def rendered(template: str, value: object) -> str:
    """As Home Assistant renders it."""
    return (
        jinja2.Environment(undefined=jinja2.StrictUndefined)
        .from_string(template)
        .render(value_json=value)
    )
