"""What a public repository needs beside the code is there and says what is true."""

from __future__ import annotations

import re

import yaml
from doc_examples import CHECKOUT

from edge_rt import __version__

GITHUB = CHECKOUT / ".github"


def test_public_ci_runs_what_a_change_must_pass() -> None:
    workflow = yaml.safe_load((GITHUB / "workflows/ci.yml").read_text())
    steps = [step.get("run", "") for step in workflow["jobs"]["test"]["steps"]]
    assert any(step.endswith(" .ci/run") for step in steps)


def test_issue_forms_have_what_the_form_needs() -> None:
    forms = [path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert len(forms) == 3
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert {"name", "description", "body"} <= set(form), path.name
        asked = [part for part in form["body"] if part["type"] != "markdown"]
        assert all(part["attributes"]["label"] for part in asked), path.name


def test_the_changelog_knows_this_version() -> None:
    text = (CHECKOUT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert __version__ in versions
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_every_decision_has_context_decision_and_consequences() -> None:
    decisions = sorted((CHECKOUT / "docs/decisions").glob("0*.md"))
    assert len(decisions) >= 6
    index = (CHECKOUT / "docs/decisions/index.md").read_text()
    for path in decisions:
        titles = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert titles == ["Context", "Decision", "Consequences"], path.name
        assert f"({path.name})" in index


def test_the_tests_that_security_names_exist() -> None:
    text = (CHECKOUT / "SECURITY.md").read_text()
    named = set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", text))
    assert len(named) > 30
    assert [name for name in named if not (CHECKOUT / "tests" / name).is_file()] == []


def test_the_names_that_contributing_searches_for_exist() -> None:
    changes = (CHECKOUT / "CONTRIBUTING.md").read_text().partition("## Common changes")[2]
    names = set(re.findall(r"`(_?[A-Za-z]+)`", changes.partition("\n## ")[0])) - {"edge"}
    files = [*(CHECKOUT / "edge_rt").rglob("*.py"), *(CHECKOUT / "tests").rglob("conftest.py")]
    source = "".join(path.read_text() for path in files)
    assert len(names) > 8
    for name in names:
        assert re.search(rf"^(class |def )?{name}\b", source, re.MULTILINE), name
