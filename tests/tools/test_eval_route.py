"""Policies that answer the same workload, and what they come to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchlib.http import Address
from click.testing import CliRunner, Result
from eval_server import Server, serving
from evallib import EvalError
from evallib.contest import NAMES, OURS, RULES, Contest, Policies, Policy, Terms
from evallib.hosting import Host, Own, linked
from evallib.intervals import Bootstrap
from evallib.journal import Journal
from evallib.record import Course, Key, Served
from evallib.rounds import Sampling
from evallib.routed import Routed
from evallib.task import Item
from evallib.tasks import Gsm8k
from evallib.way import CONTROL, LARGE, SMALL
from evallib.workload import ALTERED, AS_IT_IS, Request
from evals.main import main
from test_eval_workload import trace, write
from tiny_gguf import Tiny, byte_level, write_tiny

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.pair import Pair
from edge_rt.models.store.store import Store

PAIR = Pair(large="big", small="tiny")


def request(number: int, question: str, altered: bool = False) -> Request:
    item = Item(question, f"What is {question}?", None if altered else question)
    return Request(number, 0.0, Gsm8k(), item, ALTERED if altered else AS_IT_IS)


def served(correct: bool = True, **said: Any) -> Served:
    key = Key("gsm8k", "", "", "", "", "")
    told = {"model": "big", "mode": "single", "energy_j": 1.0, "seconds": 1.0, **said}
    return Served(key=key, way="", correct=correct, **told)


def rows(requests: list[Request], **answers: list[Served]) -> dict[str, dict[str, Any]]:
    found = {name: dict(enumerate(each)) for name, each in answers.items()}
    routed = Routed(requests, found, PAIR.large, Bootstrap())
    return {row["name"]: row for row in routed.rows()}


# --- what it comes to


def test_joules_seconds_and_quality_are_held_against_the_large_model() -> None:
    requests = [request(0, "1"), request(1, "1"), request(2, "2"), request(3, "3", altered=True)]
    found = rows(
        requests,
        large=[served(energy_j=4.0), served(energy_j=4.0), served(energy_j=8.0), served(False)],
        ours=[
            served(energy_j=2.0, seconds=3.0),
            served(energy_j=0.0, seconds=0.5, cache="exact"),
            served(False, energy_j=4.0),
            served(False, energy_j=1.0),
        ],
    )
    ours = found["ours"]
    assert (ours["n"], ours["judged"], ours["exact"]) == (4, 3, 1)
    assert ours["energy_j"]["value"] == pytest.approx(7 / 4)
    assert ours["total_j"] == 7.0
    held = ours["against_large"]
    assert held["energy_j_ratio"]["value"] == pytest.approx(7 / 17)
    assert held["made_j_ratio"]["value"] == pytest.approx(7 / 13)
    assert held["accuracy_ratio"]["value"] == pytest.approx(2 / 3)
    assert held["energy_j_ratio"]["n"] == 3  # questions
    assert (ours["p50_s"], ours["p95_s"]) == (1.0, pytest.approx(2.7))
    assert ours["by"] == {"big single": 3, "exact hit": 1}


def test_hard_is_what_the_small_model_gets_wrong_and_the_large_one_right() -> None:
    requests = [request(n, f"{n}") for n in range(4)]
    small = [served(True, model="tiny"), *(served(False, model="tiny") for _ in range(3))]
    large = [served(), served(), served(), served(False)]
    early = {"mode": "switch:early", "large_tokens": 0, "switches": 0}
    ours = [served(), served(), served(False, **early), served(False, **early | {"switches": 1})]
    found = rows(requests, small=small, large=large, ours=ours)["ours"]
    assert (found["wrong"], found["hard"]) == (3, 2)
    assert found["recall"]["value"] == 1 / 2
    assert found["mended"]["value"] == 1 / 2
    assert found["recall_wrong"]["value"] == pytest.approx(2 / 3)
    assert found["large_share"] == 3 / 4
    assert found["by"] == {
        "big single": 2,
        "big switch:early, not handed over": 1,
        "big switch:early": 1,
    }


def test_a_hit_is_false_where_it_answers_something_else_or_is_worse_than_the_own_answer() -> None:
    long = "9" * 200
    requests = [request(0, "1"), request(1, "1"), request(2, "1 not", altered=True)]
    requests += [request(3, long), request(4, long), request(5, "2")]
    large = [served(text="1"), served(text="1"), served(False), served(), served(), served(False)]

    def near(question: str, right: bool, text: str) -> Served:
        return served(right, cache="semantic", question=question, text=text)

    asked = "What is 1?"
    ours = [
        served(text="1"),
        near(asked, True, "1"),
        near(asked, False, "1"),
        served(text="8"),
        near(f"What is {long}"[:119] + "…", False, "8"),
        near(asked, False, "1"),
    ]
    found = rows(requests, large=large, ours=ours)["ours"]
    assert (found["semantic"], found["exact"], found["false"]) == (4, 0, 3)
    assert [one["asked"] for one in found["false_hits"]] == [
        "What is 1 not?",
        f"What is {long}?",
        "What is 2?",
    ]


def test_all_boards_are_held_against_each_other_over_the_same_time() -> None:
    large = Course(span_s=100.0, idle_s=20.0, board_j=300.0, rest_w=2.0)
    ours = Course(span_s=60.0, idle_s=10.0, board_j=160.0, rest_w=2.0)
    found = rows([request(0, "1")], large=[served(course=large)], ours=[served(course=ours)])
    assert (found["large"]["added_j"], found["large"]["board_j"]) == (140.0, 340.0)
    assert (found["ours"]["added_j"], found["ours"]["board_j"]) == (60.0, 260.0)
    assert found["ours"]["added_ratio"] == pytest.approx(60 / 140)


def test_what_is_not_known_is_none() -> None:
    found = rows([request(0, "1")], ours=[served(energy_j=None, course=None)])["ours"]
    assert found["energy_j"] is None
    assert found["total_j"] is None
    assert found["recall"] is None
    assert found["against_large"]["accuracy_ratio"] is None
    assert "board_j" not in found


# --- who is asked


def test_policies_ask_each_in_their_own_way() -> None:
    made = Policies(PAIR, 10, "high", "mini", seed=0)
    found = {name: made.policy(name, 0.3) for name in NAMES}
    first = {name: (one.ways[0].model, one.ways[0].edge) for name, one in found.items()}
    assert first[LARGE] == ("big", {"mode": "single"})
    assert first[SMALL] == ("tiny", {"mode": "single"})
    assert first[RULES] == ("auto", {"mode": "single", "quality": "high"})
    assert first[OURS] == ("auto", {"cache": "use", "quality": "high"})
    assert [way.model for way in found[CONTROL].ways].count("big") == 3
    assert found[OURS].config == {"cache": {"semantic": {"model": "mini"}}}
    assert [name for name, one in found.items() if one.forgets] == [RULES]
    assert [name for name, one in found.items() if one.config] == [OURS]
    assert found[OURS].models == ("big", "tiny", "mini")


@contextmanager
def contest(
    server: Server, journal: Path, *names: str, share: float | None = None
) -> Iterator[tuple[Contest, list[str]]]:
    """Of four requests; and the names of the policies as daemons are started for them."""
    started: list[str] = []

    @asynccontextmanager
    async def hosting(policy: Policy) -> AsyncGenerator[Host]:
        started.append(policy.name)
        yield Host(Address(path=str(server.server_address)))

    requests = [request(n, f"{n}") for n in range(4)]
    policies = Policies(PAIR, 4, None, "mini", seed=0)
    terms = Terms(Sampling(), 60.0, 0.0, {"big": "b1", "tiny": "t1"})
    kept = Journal(journal, Served)
    yield Contest(requests, policies, names, share, hosting, terms, kept), started
    kept.close()


def run(made: Contest) -> None:
    asyncio.run(made.run(lambda _, __: None))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evallib.replay._REST_S", 0.0)


def edge(body: dict[str, Any]) -> dict[str, Any]:
    easy = "What is 3" in str(body.get("messages"))
    model = "tiny" if easy or body.get("model") == "tiny" else "big"
    return {"model": model, "mode": "single", "energy_j": 2.0 if model == "big" else 1.0}


def speak(body: dict[str, Any]) -> str:
    """Right, but for the small model's answers to 0 and 1."""
    if "messages" not in body:
        return ""
    number = body["messages"][0]["content"].split()[-1].strip("?")
    return f"#### {9 if body['model'] == 'tiny' and number in '01' else number}"


def test_chance_has_the_large_share_of_ours(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "s", speak, edge) as server,
        contest(server, tmp_path / "j", OURS, CONTROL) as (made, started),
    ):
        run(made)
    assert started == [OURS, CONTROL]
    asked = [body["model"] for body in server.questions]
    assert (asked.count("big"), asked.count("tiny")) == (3, 1)
    assert [one.correct for one in made.found()[OURS].values()] == 4 * [True]


def test_chance_without_ours_needs_a_share(tmp_path: Path) -> None:
    with serving(tmp_path / "s", speak, edge) as server:
        with (
            contest(server, tmp_path / "j", CONTROL) as (made, _),
            pytest.raises(EvalError, match="name --share"),
        ):
            run(made)
        with contest(server, tmp_path / "j", CONTROL, share=0.5) as (made, _):
            run(made)
            assert len(made.found()[CONTROL]) == 4


def test_a_policy_that_was_interrupted_begins_anew_and_no_other(tmp_path: Path) -> None:
    with serving(tmp_path / "s", speak, edge) as server:
        with contest(server, tmp_path / "j", LARGE, SMALL) as (made, _):
            run(made)
        torn = (tmp_path / "j").read_bytes()[:-9]
        (tmp_path / "j").write_bytes(torn)  # the last answer of small was being written
        with contest(server, tmp_path / "j", LARGE, SMALL) as (made, started):
            assert {name: len(found) for name, found in made.found().items()} == {
                LARGE: 4,
                SMALL: 3,
            }
            run(made)
            assert started == [SMALL]
            assert len(made.found()[SMALL]) == 4


def test_a_request_that_failed_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    broken = True

    def fail(body: dict[str, Any]) -> str | tuple[int, str]:
        return (500, "no") if broken and "What is 1" in str(body) else speak(body)

    with (
        serving(tmp_path / "s", fail, edge) as server,
        contest(server, tmp_path / "j", LARGE) as (made, _),
    ):
        run(made)
        assert sorted(made.found()[LARGE]) == [0, 2, 3]
        broken = False
        run(made)
        assert sorted(made.found()[LARGE]) == [0, 1, 2, 3]


def test_a_daemon_can_have_some_models_of_a_store_and_no_others(tmp_path: Path) -> None:
    store = Store(tmp_path / "all", load_catalogue())
    for name in ("big", "other"):
        store.add(write_tiny(tmp_path / f"{name}.gguf", Tiny(layers=1), byte_level("qwen2")), name)
    (store.root / "doubts.yaml").write_text("doubts: []")
    found = Store(linked(store.root, ["big"], tmp_path), load_catalogue())
    assert [entry.id for entry in found.entries()] == ["big"]
    assert found.check("big").read_bytes() == store.check("big").read_bytes()
    assert (found.root / "doubts.yaml").read_text() == "doubts: []"


# --- the command


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [{"question": f"What is {n}?", "answer": f"#### {n}"} for n in range(6)]
    write(tmp_path / "data" / Gsm8k.file, *map(json.dumps, rows))
    trace(tmp_path / "data", list(range(60)))
    return tmp_path / "data"


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def words(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str | Path]:
    """Of a command whose daemons are the server at tmp_path / "s"."""

    class Hosted(Own):
        @asynccontextmanager
        async def run(self) -> AsyncGenerator[Host]:
            assert self.alone
            yield Host(Address(path=str(tmp_path / "s")))

    class Known(SimpleNamespace):
        def get(self, model: str) -> Any:
            return SimpleNamespace(sha256=f"{model:-<64}")

    monkeypatch.setattr("evals.route.Own", Hosted)
    monkeypatch.setattr("evals.route.Store", lambda *_: Known())
    monkeypatch.setattr("evals.route.model_file", lambda *_: None)
    words = ["route", "--task", "gsm8k", "--data", data, "--pair", "big", "--partner", "tiny"]
    words += ["--requests", "20", "--rate", "60000", "--open", "0", "--store", tmp_path / "store"]
    words += ["--json", tmp_path / "out.json", "--md", tmp_path / "out.md", "--idle", "0"]
    return [*words, "--max-tokens", "9"]


def found_in(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())
    return {row["name"]: row for row in found["tasks"]["all"]["ways"]}


def test_policies_are_compared_and_reported(words: list[str | Path], tmp_path: Path) -> None:
    with serving(tmp_path / "s", answer, edge) as server:
        done = call(*words)
        assert done.exit_code == 0, done.output
        asked = len(server.questions)
        assert call(*words).exit_code == 0
        assert len(server.questions) == asked == 5 * 20
    rows = found_in(tmp_path / "out.json")
    assert list(rows) == [LARGE, SMALL, RULES, OURS, CONTROL]
    assert rows[SMALL]["against_large"]["energy_j_ratio"]["value"] == 0.5
    assert rows[LARGE]["accuracy"]["value"] > rows[SMALL]["accuracy"]["value"]
    assert rows[LARGE]["recall"]["value"] == 1.0
    assert rows[SMALL]["recall"]["value"] == 0.0
    assert "| ours | 20 |" in (tmp_path / "out.md").read_text()


def test_what_was_found_before_it_failed_is_reported(
    words: list[str | Path], tmp_path: Path
) -> None:
    def fail(body: dict[str, Any]) -> str | tuple[int, str]:
        return (500, "out of order") if body.get("model") == "tiny" else answer(body)

    with serving(tmp_path / "s", fail, edge):
        done = call(*words)
    assert done.exit_code == 1
    assert "tiny does not answer" in done.output
    assert list(found_in(tmp_path / "out.json")) == [LARGE]


def answer(body: dict[str, Any]) -> str:
    if "messages" not in body:
        return ""
    wrong = body["model"] == "tiny"
    said = body["messages"][0]["content"]
    number = next((n for n in range(6) if f"{n}?" in said), 7)
    return f"#### {9 if wrong and number % 2 else number}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--quality", "best"], "low, normal, high"),
        (["--quality", "1.5"], "low, normal, high"),
        (["--only", "heaven"], "heaven"),
        (["--requests", "1"], "--requests"),
        (["--reworded", "2"], "--reworded"),
    ],
)
def test_wrong_use_is_told(words: list[str], told: str, data: Path) -> None:
    done = call("route", "--task", "gsm8k", "--data", data, "--pair", "big", *words)
    assert done.exit_code == 2
    assert told in done.output


def test_a_missing_trace_is_told(data: Path, tmp_path: Path) -> None:
    (data / "traces/azure_llm_code_2023.csv").unlink()
    words = ["--pair", "big", "--partner", "tiny", "--open", "0", "--json", tmp_path / "out.json"]
    done = call("route", "--task", "gsm8k", "--data", data, *words)
    assert done.exit_code == 1
    assert "--data names the folder that holds traces" in done.output
