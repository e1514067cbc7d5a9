"""What the semantic cache takes for the same is counted, and what it takes wrongly."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from eval_server import serving
from evallib import EvalError
from evallib.near import Outcome, Replay, share
from evallib.stream import ALTER, BANKING, MRPC, REWORD, Request, joined, mrpc, stream
from evals.main import main

from edge_rt.generation.cache.tables import Vector, vector

WIDTH = 64
PROMPTS = {
    "prompts/mt_bench_question.jsonl": lambda text: {"turns": [text]},
    "prompts/arena_hard_v0.1.jsonl": lambda text: {"prompt": text},
    "gsm8k/test.jsonl": lambda text: {"question": text},
    "arc/arc_challenge_test.jsonl": lambda text: {"query": f"Question: {text}"},
    "mmlu/mmlu_test_20_per_subject.jsonl": lambda text: {"question": text},
    "math/svamp.jsonl": lambda text: {"context": text},
}
SAME = ("The court in Rome heard the long case .", "The court in Rome has heard the long case .")
OTHER = (
    "Shares of the old bank rose 3 percent in the morning .",
    "Shares of the old bank rose 5 percent in the morning .",
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Pairs, questions to a bank, and prompts that all can be altered and reworded."""
    root = tmp_path / "data"
    lines = ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"]
    lines += [f"1\t1\t2\t{SAME[0]}\t{SAME[1]}", f"0\t3\t4\t{OTHER[0]}\t{OTHER[1]}"] * 4
    put(root / MRPC, "\n".join(lines))
    put(root / BANKING, "text,category\nMy card is lost,lost\nMy card is  lost,lost\nI paid,pay\n")
    for at, (file, row) in enumerate(PROMPTS.items()):
        names = ("Alice", "Boris", "Chloe", "Dmitri", "Edith", "Farid")
        texts = [
            f"From here to there {names[at]} can send my {n} big pages of {n + 2} lines today: "
            f"is it a letter of paper {n}? I do not know."
            for n in range(40)
        ]
        put(root / file, "\n".join(json.dumps(row(text)) for text in texts))
    return root


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def embed(body: dict[str, Any]) -> dict[str, Any]:
    """A text's vector counts its words."""
    rows = []
    for text in body["input"]:
        counts = [0.0] * WIDTH
        for word in text.split():
            counts[sum(word.encode()) % WIDTH] += 1
        rows.append({"embedding": base64.b64encode(struct.pack(f"<{WIDTH}f", *counts)).decode()})
    return {"data": rows}


def call(*words: str | int | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_stream_is_counted_and_the_first_requests_have_no_hits(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    with serving(tmp_path / "s", embed):
        wanted = ("--data", data, "--requests", 120, "--seed", 1, "--seed", 2)
        files = ("--json", out, "--md", tmp_path / "out.md")
        done = call("cache", *wanted, "--socket", tmp_path / "s", *files)
    assert done.exit_code == 0, done.output
    tables = json.loads(out.read_text())["tasks"]
    one, two, everything = tables["streams"]["ways"]
    assert [row["name"] for row in (one, two, everything)] == ["seed 1", "seed 2", "all"]
    for name in ("n", "comparisons", "hits", "wrong", "repeats"):
        assert everything[name] == one[name] + two[name], name
        if name != "comparisons":
            assert everything[name] == sum(row[name] for row in tables["by kind"]["ways"]), name
    assert (everything["hits"], everything["wrong"]) == (0, 0)  # of so few comparisons
    assert everything["comparisons"] > 0
    assert "| all |" in (tmp_path / "out.md").read_text()


def point(text: str) -> Vector:
    """A vector that only the last word of a text decides."""
    drawn = random.Random(text.split()[-1])
    return vector(struct.pack("<384f", *(drawn.gauss(0, 1) for _ in range(384))))


def test_answers_of_another_meaning_are_wrong(tmp_path: Path) -> None:
    def replayed(same: bool) -> list[Outcome]:
        requests = [
            request
            for number in range(400)
            for request in (
                Request(f"thing {number}", "x", 2 * number),
                Request(f"please thing {number}", "x", 2 * number + (not same or number > 300)),
            )
        ]
        vectors = {request.text: point(request.text) for request in requests}
        folder = tmp_path / str(same)
        folder.mkdir()
        return asyncio.run(Replay(folder, vectors, 0.02, lambda: 0.99).run(requests))

    apart = replayed(False)
    assert not any(one.given for one in apart)
    found = replayed(True)
    assert [one.repeat for one in found[:2]] == [False, True]
    assert any(one.right for one in found)
    assert any(one.wrong for one in found[600:])
    assert not any(one.wrong for one in found[:600])


@pytest.mark.parametrize(
    ("kind", "text", "made"),
    [
        ("number", "It has 3 legs", None),
        ("negation", "A cat is grey", "A cat is not grey"),
        ("negation", "A cat is not grey", "A cat is grey"),
        ("role", "the speed of light", "the light of speed"),
        ("direction", "a train from Bern to Rome", "a train from Rome to Bern"),
        ("direction", "prices rise", "prices fall"),
        ("modality", "we can go", "we must go"),
        ("person", "is it my card", "is it your card"),
        ("time", "the day before", "the day after"),
        ("numeral", "It has 3 legs", "It has three legs"),
        ("numeral", "It has three legs", "It has 3 legs"),
        ("numeral", "It has 3.5 legs", None),
        ("shortened", "I do not know", "I don't know"),
        ("synonym", "a big dog", "a large dog"),
        ("role", "no such words", None),
    ],
)
def test_rules_change_what_they_are_named_for(kind: str, text: str, made: str | None) -> None:
    draws = {{**ALTER, **REWORD}[kind](text, random.Random(seed)) for seed in range(20)}
    if kind == "number":
        assert all(one.startswith("It has ") and one != text for one in draws if one)
    elif made is None:
        assert draws == {None}
    else:
        assert made in draws
        assert text not in draws


def test_a_stream_has_pairs_of_each_kind_and_the_seed_decides(data: Path) -> None:
    found = stream(data, 120, 3)
    assert found == stream(data, 120, 3) != stream(data, 120, 4)
    kinds = Counter(one.kind for one in found)
    assert all(kinds[kind] >= 2 for kind in (*ALTER, *REWORD))
    for kind, same in (*((kind, False) for kind in ALTER), *((kind, True) for kind in REWORD)):
        meanings = [one.meaning for one in found if one.kind == kind]
        assert (len(set(meanings)) < len(meanings)) == same, kind
    with pytest.raises(EvalError, match="too few"):
        stream(data, 5000)


def test_a_server_that_embeds_nothing_is_named(data: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: (404, "no such model")):
        done = call("cache", "--data", data, "--socket", tmp_path / "s", "--requests", 120)
    assert done.exit_code == 1
    assert "no such model" in done.output
    assert "--data" in call("cache", "--data", tmp_path / "none").output


def test_sentences_are_read_as_they_were_written(data: Path) -> None:
    assert mrpc(data)[0].one == "The court in Rome heard the long case."
    text = "He said : \" It is n't so , \" and $ 1,200 ( 3 % ) of O 'Neil \u2019 s went ."
    assert joined(text) == "He said : \"It isn't so,\" and $1,200 (3%) of O'Neil's went."
    put(data / MRPC, "head\n2\t1\t2\ta\tb")
    with pytest.raises(EvalError, match="pair 1"):
        mrpc(data)


@pytest.mark.parametrize(("count", "n"), [(0, 500), (1, 287), (100, 500), (500, 500)])
def test_shares_have_intervals_of_a_width(count: int, n: int) -> None:
    found = share(count, n)
    assert found is not None
    assert found["low"] <= found["value"] <= found["high"]  # type: ignore[operator]
    assert 0 < found["high"] - found["low"] < 0.1  # type: ignore[operator]
    assert share(0, 0) is None
