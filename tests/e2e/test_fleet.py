"""LiteLLM's proxy with the shipped configuration and routing, over boards."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from litellm_proxy import Answer, Proxy, shipped, start

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

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
class Fleet:
    """The proxy over three stubs as "assistant" and three daemons as "real"."""

    proxy: Proxy
    stubs: list[Stub]
    daemons: list[Any]

    def reset(self) -> None:
        """Have all stubs answer."""
        for stub in self.stubs:
            stub.refuses_s = stub.dies_after = None
            stub.asked, stub.busy_w = 0, 8.0


@pytest.fixture(scope="module")
def fleet(
    make_daemon: Any, cache: Path, tools: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """The shipped configuration over both."""
    home = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        stubs = [Stub(token_j) for token_j in (1.0, 2.0, 3.0)]
        for stub in stubs:
            stack.callback(stub.shutdown)
        daemons = [make_daemon(tcp={"listen": "127.0.0.1:0"}) for _ in stubs]
        for daemon in daemons:
            stack.callback(daemon.close)
        config = configured([stub.url for stub in stubs], [one.url() for one in daemons])
        yield Fleet(start(stack, cache, home, config, tools), stubs, daemons)


def configured(stubs: list[str], daemons: list[str]) -> dict[str, Any]:
    """Return the shipped configuration with these addresses in place of its own."""
    config = shipped()
    config["environment_variables"] |= {"EDGE_RT_FLEET_W": "40", "EDGE_RT_FLEET_WAIT_S": "1"}
    real = copy.deepcopy(config["model_list"])
    for place, (stub, daemon) in enumerate(zip(stubs, daemons, strict=True)):
        config["model_list"][place]["litellm_params"]["api_base"] = f"{stub}/v1"
        real[place]["litellm_params"]["api_base"] = f"{daemon}/v1"
        real[place] |= {"model_name": "real", "model_info": {"id": f"real-{place}", "watts": 3}}
    config["model_list"] += real
    return config


@pytest.fixture
def boards(fleet: Fleet) -> Iterator[Fleet]:
    """The proxy, whose stubs answer and rest no longer."""
    fleet.reset()
    yield fleet
    fleet.reset()


def test_a_refused_request_goes_to_the_next_board_and_the_first_one_rests(
    boards: Fleet, tools: Any
) -> None:
    first = boards.stubs[0]
    first.refuses_s = 3600

    def asked() -> int:
        answer = boards.proxy.ask("assistant")
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-litellm-model-id"] in ("garage", "attic")
        return first.asked

    tools.eventually(asked, "the cheapest board has refused a request")
    for _ in range(8):
        assert asked() == 1


def test_where_every_board_refuses_the_client_is_told_when_to_come_again(boards: Fleet) -> None:
    for stub in boards.stubs:
        stub.refuses_s = 2
    answer = boards.proxy.ask("assistant")
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1


def test_nothing_is_sent_where_it_would_break_the_budget(boards: Fleet, tools: Any) -> None:
    for stub in boards.stubs:
        stub.busy_w = 60.0
    tools.eventually(lambda: "of 40 W" in boards.proxy.ask("assistant").text, "the reports are new")
    for stub in boards.stubs:
        stub.asked = 0
    answer = boards.proxy.ask("assistant")
    assert answer.status_code == 503, answer.text
    assert "the boards draw" in answer.json()["error"]["message"]
    assert "retry-after" in answer.headers
    assert [stub.asked for stub in boards.stubs] == [0, 0, 0]


def test_a_stream_that_breaks_off_begins_again_before_its_first_token_alone(
    boards: Fleet, tools: Any
) -> None:
    """Boards that failed in an earlier test may still rest, so each is asked until it answers."""
    second = boards.stubs[1]
    second.dies_after = 0

    def begun_again() -> bool:
        second.asked = 0
        answer = boards.proxy.stream("assistant")
        assert answer.text in ("", "0 1 2 3 ")
        return second.asked > 0 and answer.done and answer.text != ""

    tools.eventually(begun_again, "a stream that broke off is answered by another board")
    for stub in boards.stubs:
        stub.dies_after = 2
    cut = tools.eventually(lambda: _with_text(boards), "a stream begins")
    assert (cut.text, cut.done) == ("0 1 ", False)
    assert cut.error["error"]["message"]


def _with_text(boards: Fleet) -> Answer | None:
    answer = boards.proxy.stream("assistant")
    return answer if answer.text else None


def test_of_streams_over_a_board_that_is_killed_each_is_whole_or_ends_with_an_error(
    fleet: Fleet, tools: Any
) -> None:
    """Those that have no token yet are answered by another board."""
    alone = fleet.daemons[0].post(
        {"messages": [{"role": "user", "content": "Count from one to a hundred."}]}
        | {"temperature": 0, "max_tokens": 48},
        "/v1/chat/completions",
    )
    text = alone.json()["choices"][0]["message"]["content"]
    spoken = threading.Event()

    def kill() -> None:
        assert spoken.wait(120)
        at_work = lambda: [one for one in fleet.daemons if one.status()["requests"] > 0]  # noqa: E731
        tools.eventually(at_work, "a board is at work")[0].kill()

    asking = [lambda: fleet.proxy.stream("real", spoken.set, max_tokens=48) for _ in range(9)]
    answers = [one for one in tools.together([*asking, kill]) if one is not None]
    for answer in answers:
        if answer.error is None:
            assert (answer.text, answer.done) == (text, True)
        else:
            assert answer.text, "one without a token is tried on another board"
            assert text.startswith(answer.text), "nothing comes twice"
    assert any(answer.done for answer in answers)
    assert fleet.proxy.ask("real", max_tokens=4).status_code == 200
