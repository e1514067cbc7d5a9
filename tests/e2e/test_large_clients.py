"""Clients of other projects that bring many packages, as they are, over TCP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from client_environment import (
    CALLER,
    LOCAL,
    PROGRAMS,
    REPORT,
    client_environment,
    other_python,
)

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

MODEL = "smollm2-135m-instruct"
HOME = "home"  # one that turns on the lamp
AIDER = pytest.mark.skipif(sys.version_info >= (3, 13), reason="aider needs an older Python")


@pytest.fixture(scope="module")
def daemon(make_daemon: Any, caller_store: Path, tmp_path_factory: Any) -> Iterator[Any]:
    root, store = tmp_path_factory.mktemp("large"), Store(caller_store, load_catalogue())
    file = root / f"{HOME}.gguf"
    program = [sys.executable, "-m", "gguf.scripts.gguf_new_metadata"]
    template = ["--chat-template-file", PROGRAMS / "home.jinja"]
    subprocess.run([*program, *template, store.check(MODEL), file], check=True, capture_output=True)
    (root / "models").mkdir()
    subprocess.run(["cp", "-rl", f"{caller_store}/.", root / "models"], check=True)
    Store(root / "models", load_catalogue()).add(file, HOME, move=True)
    engine = {"threads": 1, "context": 2048, "sequences": 2, "batch": 128}
    made = make_daemon(root / "models", tcp={"listen": "127.0.0.1:0"}, engine=engine)
    yield made
    made.close()


def told(python: Path, name: str, *words: str) -> Any:
    """Return what the program prints, as JSON."""
    done = subprocess.run(
        [python, PROGRAMS / f"with_{name}.py", *words],
        env=os.environ | LOCAL,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param("clients-aider", marks=AIDER),  # which brings an older LiteLLM
        pytest.param("clients-litellm", marks=pytest.mark.whole),
    ],
)
def test_litellm_gets_text_calls_and_json_by_both_apis(
    daemon: Any, cache: Path, extra: str
) -> None:
    python = client_environment(extra, cache) / "python"
    for one in told(python, "litellm", daemon.url(), MODEL, CALLER).values():
        assert one["text"]
        assert one["text"] == one["streamed"]
        jsonschema.validate(one["report"], REPORT)
        assert {name for name, _ in one["calls"]} == {"get_weather"}
        assert one["calls"] == one["calls_streamed"]
        assert one["answer"]


@AIDER
def test_aider_chats(daemon: Any, cache: Path, tmp_path: Path) -> None:
    name = f"openai/{MODEL}"
    how = {"name": name, "edit_format": "ask", "extra_params": {"max_tokens": 24}}
    (tmp_path / "settings.yml").write_text(json.dumps([how]))
    words = ["--model", name, "--openai-api-base", f"{daemon.url()}/v1", "--openai-api-key", "none"]
    words += ["--model-settings-file", "settings.yml", "--map-tokens", "0", "--message", "A colour"]
    quiet = ["git", "pretty", "check-update", "show-model-warnings", "show-release-notes"]
    words += [f"--no-{one}" for one in quiet] + ["--analytics-disable", "--yes-always"]
    done = subprocess.run(
        [client_environment("clients-aider", cache) / "aider", *words],
        cwd=tmp_path,
        env=os.environ | LOCAL | {"HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = re.search(r"\S\s+Tokens: [\d.k]+ sent, (\d+) received", done.stdout)
    assert told is not None, done.stdout
    assert 0 < int(told[1]) <= 24


def test_home_assistant_switches_a_lamp(daemon: Any, cache: Path) -> None:
    python = other_python("3.13")
    if python is None:
        pytest.skip("Home Assistant needs Python 3.13")
    programs = client_environment("clients-home-assistant", cache, python)
    found = told(programs / "python", "home_assistant", daemon.url(), MODEL, HOME)
    assert {f"{MODEL}:latest", f"{HOME}:latest"} <= set(found["listed"])
    assert found["state"] == "loaded"
    assert set(found["services"]) & {"turn_on", "turn_off", "toggle"}
    assert found["answer"]
