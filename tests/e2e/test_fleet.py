"""LiteLLM's proxy with the shipped configuration and routing, over boards."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from client_environment import LOCAL, client_environment

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

FLEET = Path(__file__).parents[2] / "fleet"
KEY = "sk-0123456789abcdef0123456789abcdef"
MODEL = "smollm2-135m-instruct"
PIECES = 4  # of a stub's answer


class Stub(ThreadingHTTPServer):
    """A board that does as told; it counts the requests that it gets."""

    daemon_threads = True

    def __init__(self, token_j: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.token_j, self.asked = token_j, 0
        self.refuses_s: int | None = None
        self.dies_after: int | None = None  # pieces of a stream
        self.busy_w = 8.0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def load(self) -> dict[str, Any]:
        model = {"id": MODEL, "resident": True, "token_s": 0.1, "token_j": self.token_j}
        watts = {"power_w": 3.0, "idle_w": 3.0, "working_w": self.busy_w}
        usual = {"retry_after_s": None, "requests": 0, "sequences": 4}
        return watts | usual | {"models": [model]}


class Handler(BaseHTTPRequestHandler):
    server: Stub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        found = self.server.load() if self.path == "/edge/v1/load" else {"data": []}
        self._document(200, found)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked += 1
        if self.server.refuses_s is not None:
            error = {"message": "too hot", "code": "too_hot"}
            self._document(503, {"error": error}, self.server.refuses_s)
        elif body.get("stream"):
            self._stream()
        else:
            said = {"role": "assistant", "content": self.server.url}
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            answer = {"object": "chat.completion", "choices": [choice]}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            self._document(200, {"id": "x", "created": 1, "model": MODEL, "usage": usage} | answer)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in range(PIECES):
            if piece == self.server.dies_after:
                self.close_connection = True  # without the last chunk
                return
            delta = {"role": "assistant", "content": f"{piece} "}
            self._event({"index": 0, "delta": delta, "finish_reason": None})
        self._event({"index": 0, "delta": {}, "finish_reason": "stop"})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, choice: dict[str, Any]) -> None:
        usual = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
        self._chunk(f"data: {json.dumps(usual | {'choices': [choice]})}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _document(self, status: int, document: Any, again_s: int | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if again_s is not None:
            self.send_header("retry-after", str(again_s))
        self.end_headers()
        self.wfile.write(body)


@dataclass
class Answer:
    """What a client saw of a stream; `error` is the event that ended it early."""

    text: str = ""
    error: Any = None
    done: bool = False


@dataclass
class Proxy:
    url: str
    stubs: list[Stub]
    daemons: list[Any] = field(default_factory=list)

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

    def reset(self) -> None:
        """Have all stubs answer."""
        for stub in self.stubs:
            stub.refuses_s = stub.dies_after = None
            stub.asked, stub.busy_w = 0, 8.0


@pytest.fixture(scope="module")
def proxy(
    make_daemon: Any, cache: Path, tools: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """The shipped configuration over three stubs, and over three daemons as "real"."""
    home = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        stubs = [Stub(token_j) for token_j in (1.0, 2.0, 3.0)]
        for stub in stubs:
            stack.callback(stub.shutdown)
        daemons = [make_daemon(tcp={"listen": "127.0.0.1:0"}) for _ in stubs]
        for daemon in daemons:
            stack.callback(daemon.close)
        config = configured([stub.url for stub in stubs], [one.url() for one in daemons])
        shutil.copy(FLEET / "edge_rt_fleet.py", home)
        (home / "litellm.yaml").write_text(yaml.safe_dump(config))
        made = start(stack, client_environment("clients-litellm-proxy", cache), home, tools)
        yield Proxy(made, stubs, daemons)


def configured(stubs: list[str], daemons: list[str]) -> dict[str, Any]:
    """Return the shipped configuration with these addresses in place of its own."""
    config = yaml.safe_load((FLEET / "litellm.yaml").read_text())
    config["environment_variables"] |= {"EDGE_RT_FLEET_W": "40", "EDGE_RT_FLEET_WAIT_S": "1"}
    real = copy.deepcopy(config["model_list"])
    for place, (stub, daemon) in enumerate(zip(stubs, daemons, strict=True)):
        config["model_list"][place]["litellm_params"]["api_base"] = f"{stub}/v1"
        real[place]["litellm_params"]["api_base"] = f"{daemon}/v1"
        real[place] |= {"model_name": "real", "model_info": {"id": f"real-{place}", "watts": 3}}
    config["model_list"] += real
    return config


def start(stack: ExitStack, programs: Path, home: Path, tools: Any) -> str:
    """Start the proxy; returns its address."""
    own = {"LITELLM_MASTER_KEY": KEY, "EDGE_RT_KEY": "unused", "HOME": str(home)}
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

    return tools.eventually(listening, "the proxy listens")


@pytest.fixture
def boards(proxy: Proxy) -> Iterator[Proxy]:
    """The proxy, whose stubs answer and rest no longer."""
    proxy.reset()
    yield proxy
    proxy.reset()


def test_a_refused_request_goes_to_the_next_board_and_the_first_one_rests(
    boards: Proxy, tools: Any
) -> None:
    first = boards.stubs[0]
    first.refuses_s = 3600

    def asked() -> int:
        answer = boards.ask("assistant")
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-litellm-model-id"] in ("garage", "attic")
        return first.asked

    tools.eventually(asked, "the cheapest board has refused a request")
    for _ in range(8):
        assert asked() == 1


def test_where_every_board_refuses_the_client_is_told_when_to_come_again(boards: Proxy) -> None:
    for stub in boards.stubs:
        stub.refuses_s = 2
    answer = boards.ask("assistant")
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1


def test_nothing_is_sent_where_it_would_break_the_budget(boards: Proxy, tools: Any) -> None:
    for stub in boards.stubs:
        stub.busy_w = 60.0
    tools.eventually(lambda: "of 40 W" in boards.ask("assistant").text, "the reports are new")
    for stub in boards.stubs:
        stub.asked = 0
    answer = boards.ask("assistant")
    assert answer.status_code == 503, answer.text
    assert "the boards draw" in answer.json()["error"]["message"]
    assert "retry-after" in answer.headers
    assert [stub.asked for stub in boards.stubs] == [0, 0, 0]


def test_a_stream_that_breaks_off_begins_again_before_its_first_token_alone(
    boards: Proxy, tools: Any
) -> None:
    """Boards that failed in an earlier test may still rest, so each is asked until it answers."""
    second = boards.stubs[1]
    second.dies_after = 0

    def begun_again() -> bool:
        second.asked = 0
        answer = boards.stream("assistant")
        assert answer.text in ("", "0 1 2 3 ")
        return second.asked > 0 and answer.done and answer.text != ""

    tools.eventually(begun_again, "a stream that broke off is answered by another board")
    for stub in boards.stubs:
        stub.dies_after = 2
    cut = tools.eventually(lambda: _with_text(boards), "a stream begins")
    assert (cut.text, cut.done) == ("0 1 ", False)
    assert cut.error["error"]["message"]


def _with_text(boards: Proxy) -> Answer | None:
    answer = boards.stream("assistant")
    return answer if answer.text else None


def test_of_streams_over_a_board_that_is_killed_each_is_whole_or_ends_with_an_error(
    proxy: Proxy, tools: Any
) -> None:
    """Those that have no token yet are answered by another board."""
    victim, *others = proxy.daemons
    alone = others[0].post(
        {"messages": [{"role": "user", "content": "Count from one to a hundred."}]}
        | {"temperature": 0, "max_tokens": 48},
        "/v1/chat/completions",
    )
    text = alone.json()["choices"][0]["message"]["content"]
    spoken = threading.Event()

    def kill() -> None:
        assert spoken.wait(120)
        tools.eventually(lambda: victim.status()["requests"] > 0, "the victim is at work")
        victim.kill()

    asking = [lambda: proxy.stream("real", spoken.set, max_tokens=48) for _ in range(9)]
    answers = [one for one in tools.together([*asking, kill]) if one is not None]
    for answer in answers:
        if answer.error is None:
            assert (answer.text, answer.done) == (text, True)
        else:
            assert answer.text, "one without a token is tried on another board"
            assert text.startswith(answer.text), "nothing comes twice"
    assert any(answer.done for answer in answers)
    assert proxy.ask("real", max_tokens=4).status_code == 200
