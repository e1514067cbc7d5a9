"""What the semantic cache takes for the same is counted, and what it takes wrongly."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from eval_server import serving
from evallib import EvalError
from evallib.altered import KINDS, altered
from evallib.near import share
from evallib.pairs import BANKING, MRPC, joined, mrpc
from evals.main import main

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
    """Pairs, questions to a bank, and prompts that all can be altered."""
    root = tmp_path / "data"
    lines = ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"]
    lines += [f"1\t1\t2\t{SAME[0]}\t{SAME[1]}", f"0\t3\t4\t{OTHER[0]}\t{OTHER[1]}"] * 4
    put(root / MRPC, "\n".join(lines))
    put(root / BANKING, "text,category\nMy card is lost,lost\nMy card is  lost,lost\nI paid,pay\n")
    for at, (file, row) in enumerate(PROMPTS.items()):
        names = ("Alice", "Boris", "Chloe", "Dmitri", "Edith", "Farid")
        texts = [f"The letter {n} of {names[at]} is {n + 2} pages long." for n in range(20)]
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


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_hits_are_counted_by_half_and_by_what_was_altered(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with serving(tmp_path / "s", embed):
        done = call("cache", "--data", data, "--socket", tmp_path / "s", "--altered", 30,
                    "--json", out, "--md", tmp_path / "out.md")  # fmt: skip
    assert done.exit_code == 0, done.output
    document = json.loads(out.read_text())
    pairs = {row["name"]: row for row in document["tasks"]["MRPC"]["ways"]}
    assert {name: row["n"] for name, row in pairs.items()} == {
        **{"paraphrases, tuning": 4, "paraphrases, held out": 0, "paraphrases, whole": 4},
        **{"others, tuning": 0, "others, held out": 4, "others, whole": 4},
        **{"others of all, tuning": 4, "others of all, held out": 4, "others of all, whole": 8},
    }
    assert pairs["paraphrases, whole"]["hits"] == 4
    assert (pairs["others, whole"]["hits"], pairs["others of all, whole"]["n"]) == (0, 8)
    assert pairs["others, whole"]["kept_apart"] == {"numbers": 4}
    trade = document["tasks"]["MRPC, held out, by doubt"]["ways"]
    assert [row["hits"] for row in trade if row["name"].startswith("others")] == [0] * 6
    altered = {row["name"]: row for row in document["tasks"]["altered"]["ways"]}
    assert (altered["any"]["n"], altered["any"]["hits"]) == (30, 0)
    assert altered["a negation"]["kept_apart"] == {"negations": 10}
    near = document["about"]["neighbours"]
    assert (near["n"], near["hits"], near["on_another_matter"]) == (3, 2, 0)
    assert "| any | 30 | 0 |" in (tmp_path / "out.md").read_text()


def test_a_server_that_embeds_nothing_is_named(data: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: (404, "no such model")):
        done = call("cache", "--data", data, "--socket", tmp_path / "s", "--altered", 6)
    assert done.exit_code == 1
    assert "no such model" in done.output
    assert "--data" in call("cache", "--data", tmp_path / "none").output


def test_each_altered_prompt_differs_in_what_it_says(data: Path) -> None:
    pairs = altered(data, 61, 0)
    assert [sum(pair.kind == kind for pair in pairs) for kind in KINDS] == [20, 20, 21]
    assert all(pair.one != pair.other and not pair.same for pair in pairs)
    assert pairs == altered(data, 61, 0) != altered(data, 61, 1)
    for pair in pairs:
        one, other = (text.strip(".").split() for text in (pair.one, pair.other))
        if pair.kind == "negation":
            assert [word for word in other if word != "not"] == one
        else:
            (changed,) = (pair for pair in zip(one, other, strict=True) if pair[0] != pair[1])
            assert changed[0].isdigit() == (pair.kind == "number")
    with pytest.raises(EvalError, match="only"):
        altered(data, 1000, 0)


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
