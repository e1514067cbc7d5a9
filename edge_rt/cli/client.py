"""The daemon's HTTP API over its Unix socket."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import click
import httpx

from edge_rt.cli.exits import (
    CommandFailure,
    NoDaemon,
    NoModel,
    NotNow,
    Silent,
    failure_in,
    message_in,
)
from edge_rt.cli.text import Json, duration, note

_CONNECT_S = 2.0
_AGAIN_S = 0.02  # between two tries to connect
_SLOW_S = 15.0  # until it is told that nothing has come yet
_STORE_S = 10.0  # for the directory of the models
_STATE_S = 60.0  # for a question about the daemon; proving its health may load a model


class Client:
    """Client of one daemon; each failure is a `CommandFailure` with its exit code.

    Answers may take as long as they take, so nothing but connecting has a time limit there.
    """

    def __init__(
        self,
        socket: Path,
        patience_s: float = _STATE_S,
        slow_s: float = _SLOW_S,
        tell: Callable[[str], None] = note,
        app: str | None = None,
    ) -> None:
        """`patience_s` is for what a GET asks, after which it is Silent.

        `app` is the application of its requests; None: the user's.

        Where an answer has not begun after `slow_s`, `tell` hears of it, in another thread.
        """
        self._socket, self._patience_s = socket, patience_s
        self._slow_s, self._tell = slow_s, tell
        self._http = httpx.Client(
            # A Unix socket needs no TLS, and loading its certificates would take longer than
            # all the rest; a proxy of the environment must not see these requests.
            transport=_Transport(uds=str(socket), verify=False),
            base_url="http://edge-rt",
            headers={} if app is None else {"x-edge-app": app},
            timeout=httpx.Timeout(None, connect=_CONNECT_S),
            trust_env=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str) -> Json:
        """Return the JSON object at `path`."""
        with self._reported():
            timeout = httpx.Timeout(self._patience_s, connect=_CONNECT_S)
            return _document(self._http.get(path, timeout=timeout))

    def store(self) -> str | None:
        """Return the directory of the daemon's models; None where it does not tell."""
        timeout = httpx.Timeout(_STORE_S, connect=_CONNECT_S)
        with suppress(CommandFailure, httpx.TransportError):
            told = _document(self._http.get("/edge/v1/status", timeout=timeout)).get("store")
            return told if isinstance(told, str) else None
        return None

    def post(self, path: str, body: Json) -> Json:
        """Return the JSON object that `path` answers to `body`."""
        with self._reported():
            return _document(self._http.post(path, **_json(body)))

    def put(self, path: str, body: Json) -> Json:
        """Return the JSON object that `path` answers to `body` being put there."""
        with self._reported():
            return _document(self._http.put(path, **_json(body)))

    def events(self, path: str, body: Json | None = None) -> Generator[Json, None, None]:
        """Yield the events of the stream at `path`, or that it answers to `body`, as they come.

        Closing the generator closes the connection, by which the daemon knows to stop.
        """
        with (
            self._reported(),
            self._waiting() as over,
            self._request(path, body) as response,
        ):
            over()
            if response.is_error:
                response.read()
                raise _refused(response)
            for warning in response.headers.get_list("x-edge-warning"):
                self._tell(f"warning: {unquote(warning)}")
            for event in parse_events(response.iter_bytes()):
                if "error" in event:
                    raise failure_in(event, "the answer failed")
                yield event

    def _request(self, path: str, body: Json | None) -> AbstractContextManager[httpx.Response]:
        if body is None:
            return self._http.stream("GET", path)
        return self._http.stream("POST", path, **_json(body))

    @contextmanager
    def _waiting(self) -> Generator[Callable[[], None], None, None]:
        """Tell the user of a long wait, unless the yielded function is called before."""
        words = f"no answer yet from {self._socket}: if none comes, `edge-rt doctor` tells why"
        timer = threading.Timer(self._slow_s, self._tell, [words])
        timer.daemon = True
        timer.start()
        try:
            yield timer.cancel
        finally:
            timer.cancel()

    @contextmanager
    def _reported(self) -> Generator[None, None, None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise self._absent() from None
        except httpx.TimeoutException:
            raise Silent(f"the daemon at {self._socket} does not answer: look at its log") from None
        except httpx.TransportError as error:
            raise CommandFailure(f"the daemon at {self._socket} went away: {error}") from None
        except NoModel as error:
            store = self.store()
            raise NoModel(f"{error.message} (store: {store})") if store else error from None

    def _absent(self) -> CommandFailure:
        advice = "name the socket of your daemon with --socket"
        if (obstacle := obstacle_at(self._socket)) is not None:
            return NoDaemon(f"{obstacle}, or {advice}")
        reason = f"no daemon answers at {self._socket}"
        return NoDaemon(f"{reason}: start one with `edge-rt serve`, or {advice}")


def obstacle_at(socket: Path) -> str | None:
    """Return what keeps this user from a daemon at `socket`, and the remedy; None: nothing."""
    try:
        mode = socket.stat().st_mode
    except PermissionError:
        owner = "run this as a user who may look into its directory"
        return f"no right to look for {socket}: {owner}"
    except OSError:
        return None
    if not stat.S_ISSOCK(mode):
        return f"{socket} is not a socket: start a daemon elsewhere"
    if not os.access(socket, os.W_OK, effective_ids=True):
        return f"no right to use {socket}: become a member of its group"
    return None


class _Transport(httpx.HTTPTransport):
    """Tries again while the daemon's socket holds as many new connections as it can.

    The kernel refuses those of a Unix socket at once when they are not to be waited for.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and connect again while the socket's backlog is full."""
        until_s = time.monotonic() + _CONNECT_S
        while True:
            try:
                return super().handle_request(request)
            except httpx.ConnectError as error:
                if not _came_of(error, BlockingIOError) or time.monotonic() > until_s:
                    raise
            time.sleep(_AGAIN_S)


def _came_of(error: BaseException, kind: type[BaseException]) -> bool:
    cause = error.__cause__ or error.__context__
    return cause is not None and (isinstance(cause, kind) or _came_of(cause, kind))


def parse_events(chunks: Iterable[bytes]) -> Iterator[Json]:
    """Yield the JSON objects of a server-sent event stream, up to its [DONE].

    Splits at line feeds only: JSON strings may hold other characters that count as line ends
    elsewhere. Failure when the stream ends early.
    """
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                return
            yield _object(data)
    raise CommandFailure("the daemon went away before the answer was complete")


def _json(body: Json) -> dict[str, Any]:
    """Return httpx's arguments for `body`.

    UsageError where an argument of the command line is not UTF-8.
    """
    try:
        content = json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        shown = error.object[: error.end].rpartition('"')[2][-40:]  # strings begin with a quote
        raise click.UsageError(f"The argument {shown!a} is not UTF-8 text.") from None
    return {"content": content, "headers": {"content-type": "application/json"}}


def _object(data: bytes) -> Json:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CommandFailure("the daemon's answer cannot be understood: is it an edge-rt daemon?")
    return cast(Json, value)


def _document(response: httpx.Response) -> Json:
    if response.is_error:
        raise _refused(response)
    return _object(response.content)


def _refused(response: httpx.Response) -> CommandFailure:
    """Return the failure that an HTTP error means, from its status and OpenAI-shaped body."""
    try:
        body = _object(response.content)
    except CommandFailure:
        body: Json = {}
    otherwise = f"the daemon answered HTTP {response.status_code}"
    if response.status_code in (429, 503):
        after = response.headers.get("retry-after", "")
        wait = duration(int(after)) if after.isdecimal() else after
        again = f" (try again in {wait})" if after else ""
        return NotNow(message_in(body, otherwise) + again)
    return failure_in(body, otherwise)
