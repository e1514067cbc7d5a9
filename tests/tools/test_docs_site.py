"""The site builds without a warning, and its generated pages are complete."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from benchlib.boards import load_boards
from click.testing import CliRunner
from doc_examples import CHECKOUT, PAGES
from docslib.boards import board_models
from docslib.configuration import configuration
from docslib.fields import fields, structs
from docslib.http import formats, http
from docslib.manual import write_manual
from docslib.metrics import metrics
from docslib.pages import BESIDE, MADE

from edge_rt.api.allowance import Terms
from edge_rt.api.routes import OPERATIONS
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.main import main
from edge_rt.cli.text import significant, size
from edge_rt.config.removed import REMOVED
from edge_rt.config.schema import Config
from edge_rt.core.reports.board import BoardReport, LedgerReport
from edge_rt.core.reports.governor import BudgetChange, GovernorState, Past
from edge_rt.core.reports.planning import Calibrated, Tried
from edge_rt.generation.usage import Edge
from edge_rt.models.catalogue import load_suggestions

TEXT = "\n".join(path.read_text() for path in [*PAGES, *CHECKOUT.glob("*.md")])
# Names in the changelog:
GONE = {"edge_rt_limit_sequences", "edge_rt_marks_total"}
GONE_PATHS = {f"/edge/v1/{each}" for each in ("feedback", "infer", "router", "router/reset")}
STATUS = {"engine.lost", "governor.missing"}  # fields of /edge/v1/status, no keys


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in (*MADE, "tutorial.md", "contributing.md", "changelog.md"):
        assert (tmp_path / page.removesuffix(".md") / "index.html").is_file()
    commands = (tmp_path / "reference/cli/index.html").read_text()
    assert "<code>--prefer [energy&#124;latency&#124;quality]</code>" in commands


def test_links_between_pages_lead_somewhere_in_a_checkout() -> None:
    links = [
        (page.relative_to(CHECKOUT), page.parent / link)
        for page in [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")]
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    ]
    assert len(links) > 100
    assert [(str(page), str(target)) for page, target in links if not target.exists()] == []


def test_every_page_that_is_made_has_one_for_readers_of_the_checkout() -> None:
    for page in (*MADE, *BESIDE):
        assert "is made with the site" in (CHECKOUT / "docs" / page).read_text(), page


def test_the_readme_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_text().splitlines()) <= 150


def sections(struct: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    inner = [field.struct for field in fields(struct) if field.struct is not None]
    return [struct, *(each for one in inner for each in sections(one))]


def test_every_key_of_the_configuration_is_described() -> None:
    page = configuration()
    for section in sections(Config):
        for field in fields(section):
            if field.struct is None:
                assert field.text, f"{section.__name__}.{field.name} has no text below it"
                assert f"{field.name}`" in page


@pytest.mark.parametrize(
    "document",
    [Edge, Terms, BoardReport, BudgetChange, Calibrated, GovernorState, LedgerReport, Past, Tried],
)
def test_every_field_of_our_own_documents_is_described(document: type[msgspec.Struct]) -> None:
    found = [document, *(inner for inner in structs([document]) if "reports" in inner.__module__)]
    for struct in found:
        assert [field.name for field in fields(struct) if not field.text] == [], struct


def test_formats_have_the_comments_behind_their_fields() -> None:
    rows = formats().splitlines()
    assert "| `throttle_c` | number from -60 to 200 |  | begins to slow down |" in rows


def test_a_default_in_words_takes_the_place_of_none() -> None:
    row = next(line for line in configuration().splitlines() if "`socket.path`" in line)
    assert "| `edge-rt.sock` in the run directory |" in row


def test_every_exit_code_of_a_failure_is_in_the_table() -> None:
    codes = set(re.findall(r"^\| `(\d+)`", MADE["reference/exit-codes.md"](), re.MULTILINE))
    pending, found = [CommandFailure], set[int]()
    while pending:
        kind = pending.pop()
        found.add(kind.exit_code)
        pending += kind.__subclasses__()
    assert {str(code) for code in found} < codes


def test_documents_of_http_show_what_a_client_may_send() -> None:
    chat = http().partition("### ChatRequest")[2].partition("\n### ")[0]
    assert "| `messages` | list of: [ChatMessage](#chatmessage) | required |" in chat
    assert "| `tool_choice` |" in chat
    assert "`mirostat`" not in chat, "a field that is refused"


@pytest.mark.parametrize(
    "name",
    [
        "edge_rt_requests_total",  # of requests, without a series before the first one
        "edge_rt_rail_power_watts",
        "edge_rt_guard_state",
        "edge_rt_cache_hits_total",
        "edge_rt_storage_writable",
    ],
)
def test_metrics_of_every_part_are_listed_with_their_labels(name: str) -> None:
    row = next(line for line in metrics().splitlines() if line.startswith(f"| `{name}`"))
    _, _, _, labels, meaning, _ = row.split("|")
    assert "`" in labels
    assert meaning.strip().endswith(".")


def test_man_pages_are_taken_by_groff(tmp_path: Path) -> None:
    written = write_manual(tmp_path / "man1")
    assert {"edge-rt.1", "edge-rt-models-add.1"} <= {path.name for path in written}
    page = (tmp_path / "man1/edge-rt-twin.1").read_text()
    assert page.startswith('.TH "EDGE-RT-TWIN" "1"')
    assert r"\-\-board" in page
    assert not re.search(r"^'", page, re.MULTILINE)
    if groff := shutil.which("groff"):
        command = [groff, "-man", "-ww", "-Tutf8", *map(str, written)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_paths_of_http_in_sentences_are_served() -> None:
    served = {each.template.replace("{id}", "ID") for each in OPERATIONS}
    named = set(
        re.findall(r"`(?:[A-Z]+ )?(/(?:v1|edge)/[\w/]+|/health|/metrics|/\w+\.json)`", TEXT)
    )
    assert len(named) > 5
    assert named - GONE_PATHS <= served


def test_keys_of_the_configuration_in_sentences_exist() -> None:
    sections = "|".join(field.name for field in fields(Config) if field.struct is not None)
    named = set(re.findall(rf"`((?:{sections})\.[a-z_.]+)`", TEXT)) - STATUS
    keys = set(re.findall(r"^\| `([a-z_.]+)`", configuration(), re.MULTILINE))
    keys |= set(re.findall(r"^## (\S+)$", configuration(), re.MULTILINE))
    keys |= {".".join(map(str, key)) for key in REMOVED}  # the changelog names them
    assert len(named) > 20
    keys |= {".".join(map(str, key)) for key in REMOVED}  # in the changelog
    files = (".db", ".py")
    assert {name for name in named - keys if not name.endswith(files)} == set()


def test_metrics_in_sentences_exist() -> None:
    named = set(re.findall(r"`(edge_rt_[a-z_]+)`", TEXT)) - GONE
    assert named
    assert all(f"| `{name}" in metrics() for name in named)


def test_the_table_of_boards_has_what_the_command_suggests() -> None:
    page = board_models()
    for model in load_suggestions():
        assert f"`{model.name}`" in page
        assert model.licence in page
    for board in load_boards().values():
        for fitted in board.memory_sizes_bytes:
            words = ["models", "suggest", "--board", board.id, "--memory", str(fitted / (1 << 30))]
            told = json.loads(CliRunner().invoke(main, [*words, "--task", "chat", "--json"]).output)
            best = next(model for model in told["models"] if model["best"])
            speed = significant(best["tokens_per_s"], 2)
            row = f"| {board.name} | {size(fitted)} | {best['title']}: {speed} tok/s"
            assert row in page
