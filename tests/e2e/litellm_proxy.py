"""LiteLLM's proxy with the shipped routing, and what its clients see."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from client_environment import LOCAL, client_environment

FLEET = Path(__file__).parents[2] / "fleet"
KEY = "sk-0123456789abcdef0123456789abcdef"  # of the proxy, and of boards that ask for one


@dataclass
class Answer:
    """What a client saw of a stream; `error` is the event that ended it early."""

    text: str = ""
    error: Any = None
    done: bool = False


@dataclass
class Proxy:
    """A proxy at `url`, asked with its key."""

    url: str

    def ask(self, model: str, **fields: Any) -> httpx.Response:
        return httpx.post(**self._request(model, fields), timeout=120)

    def stream(self, model: str, first: Callable[[], object] = int, **fields: Any) -> Answer:
        """Return what comes; `first` is called once there is some text."""
        answer = Answer()
        request = self._request(model, {"stream": True} | fields)
        with httpx.stream("POST", **request, timeout=120) as response:
            if response.status_code != 200:
                return Answer(error=json.loads(response.read()))
            for line in response.iter_lines():
                if line == "data: [DONE]":
                    answer.done = answer.error is None
                elif line.startswith("data: "):
                    self._take(answer, json.loads(line.removeprefix("data: ")), first)
        return answer

    def _take(self, answer: Answer, event: Any, first: Callable[[], object]) -> None:
        if "error" in event:
            answer.error = event
        for choice in event.get("choices", ()):
            text = choice["delta"].get("content") or ""
            if text and not answer.text:
                first()
            answer.text += text

    def _request(self, model: str, fields: dict[str, Any]) -> dict[str, Any]:
        messages = [{"role": "user", "content": "Count from one to a hundred."}]
        body = {"model": model, "messages": messages, "temperature": 0} | fields
        headers = {"authorization": f"Bearer {KEY}"}
        return {"url": f"{self.url}/v1/chat/completions", "json": body, "headers": headers}


def shipped() -> dict[str, Any]:
    """Return the shipped configuration."""
    return yaml.safe_load((FLEET / "litellm.yaml").read_text())


def start(stack: ExitStack, cache: Path, home: Path, config: dict[str, Any], tools: Any) -> Proxy:
    """Start the proxy with this configuration in `home`; `stack` ends it."""
    programs = client_environment("clients-litellm-proxy", cache)
    shutil.copy(FLEET / "edge_rt_fleet.py", home)
    (home / "litellm.yaml").write_text(yaml.safe_dump(config))
    own = {"LITELLM_MASTER_KEY": KEY, "EDGE_RT_KEY": KEY, "HOME": str(home)}
    own |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "CONFIG_FILE_PATH": str(home / "litellm.yaml")}
    own |= {"PYTHONDONTWRITEBYTECODE": ""}  # its start is mostly compiling, once
    log = home / "log"
    serve = ["-m", "uvicorn", "litellm.proxy.proxy_server:app", "--host=127.0.0.1", "--port=0"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [programs / "python", *serve], cwd=home, env=os.environ | LOCAL | own, stderr=out
        )
    stack.callback(process.wait, 60)
    stack.callback(process.terminate)

    def listening() -> str | None:
        assert process.poll() is None, log.read_text()
        found = [line for line in log.read_text().splitlines() if "running on http" in line]
        return found[0].partition("running on ")[2].split()[0] if found else None

    return Proxy(tools.eventually(listening, "the proxy listens"))
