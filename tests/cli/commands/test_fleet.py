"""`edge-rt top --fleet`: a row for each board of LiteLLM's configuration, and their sum."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


class Load(BaseHTTPRequestHandler):
    """A daemon that wants a key."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        model = {"id": "m", "resident": True, "token_s": 0.1, "token_j": 0.5}
        told = {"power_w": 4.5, "idle_w": 3.0, "requests": 2, "queued": 0, "models": [model]}
        known = (self.path, self.headers["authorization"]) == ("/edge/v1/load", "Bearer the-key")
        body = json.dumps(told | {"retry_after_s": 7.0}).encode() if known else b"{}"
        self.send_response(200 if known else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Load)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def entry(name: str, url: str, key: str = "os.environ/FLEET_KEY") -> dict[str, Any]:
    params = {"model": "openai/m", "api_base": f"{url}/v1", "api_key": key}
    return {"model_name": "a", "litellm_params": params, "model_info": {"id": name}}


def test_each_board_has_a_row(
    cli: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_KEY", "the-key")
    file = tmp_path / "litellm.yaml"
    away = "http://127.0.0.1:1"
    listed = [entry("kitchen", url), entry("again", url), entry("attic", away)]
    file.write_text(json.dumps({"model_list": listed}))
    result = cli("top", "--fleet", str(file))
    assert result.exit_code == 0, result.stderr
    for word in ("kitchen", "attic", "refuses for 7 s", "all"):
        assert word in result.stdout
    assert result.stdout.count("4.5") == 2, "the board's and the sum's"
    assert "again" not in result.stdout, "it is the same board"


def test_a_file_that_names_no_boards_is_refused(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "litellm.yaml"
    for text in ("model_list: 7", "[", "a: b"):
        file.write_text(text)
        result = cli("top", "--fleet", str(file))
        assert result.exit_code == 2
        assert "expected a configuration of LiteLLM" in result.stderr
