"""Real daemons on private sockets, with the real model."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from vulkan_environment import HERE

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.pull import pull
from edge_rt.models.store.store import Store

MODEL = "smollm2-135m-instruct"
ONNX_MODEL = "smollm2-onnx"  # the same, in the store that has it for both backends
COMMAND = Path(sys.executable).with_name("edge-rt")
PAUSE_S = 0.05  # between two looks at a condition
TRIES = 2400  # such looks before a test gives up: two minutes on a quiet machine
STEADY_S, STEADY = 2.0, 0.02  # over so long a steady value changes by less than this share
# Small batches, so that on a fast machine too a long prompt takes many passes.
SMALL = {"threads": 1, "context": 1024, "sequences": 8, "batch": 128}


def eventually(condition: Callable[[], Any], what: str, tries: int = TRIES) -> Any:
    """The first true value of `condition`, asked a bounded number of times."""
    for _ in range(tries):
        value = condition()
        if value:
            return value
        time.sleep(PAUSE_S)
    raise AssertionError(f"not within {tries} tries: {what}")


def steady(read: Callable[[], float | None], what: str) -> float:
    """The first value of `read` that stayed as it was for two seconds; None is no value.

    On a busy machine the first figure of what a board draws idle may hold some of its start.
    """

    def kept() -> float | None:
        before = read()
        if before is None:
            return None
        time.sleep(STEADY_S)
        after = read()
        return after if after is not None and abs(after - before) < STEADY * before else None

    return eventually(kept, what)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of Vulkan where Debian has no device that a CPU of this kind computes."""
    away = [] if HERE else [item for item in items if item.get_closest_marker("vulkan")]
    if away:
        config.hook.pytest_deselected(items=away)
        items[:] = [item for item in items if item not in away]


class Daemon:
    """One `edge-rt serve` as a child process, its files in `directory`."""

    def __init__(
        self,
        directory: Path,
        store: Path,
        config: dict[str, Any],
        through: list[str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.socket = directory / "s"
        self.store = store
        self.model = MODEL
        self.log = directory / "log"
        self._config = directory / "config.yaml"
        # Of the next start: a command that runs the daemon's, what it inherits, and variables.
        self.through: list[str] = through or []
        self.descriptors: list[int] = []
        self.environment: dict[str, str] = environment or {}
        self._clients = ExitStack()
        self.configure(**config)
        self.start()

    def configure(self, **config: Any) -> None:
        """Write another configuration, for the next start."""
        usual = {"engine": SMALL, "cache": {"enabled": False}}  # what is asked twice is made twice
        self._config.write_text(json.dumps(usual | config))  # JSON is YAML

    def start(self) -> None:
        """Start the process, on the socket it had before if there was one."""
        places = ["--socket", self.socket, "--store", self.store, "--config", self._config]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.through, COMMAND, "serve", *map(str, places)],
                stdin=subprocess.DEVNULL,
                stderr=log,
                pass_fds=self.descriptors,
                env=os.environ | {"STATE_DIRECTORY": str(self.directory)} | self.environment,
            )
        self.http = self.client()
        try:
            eventually(self._ready, f"the daemon answers; see {self.log}")
        except BaseException:
            self.close()
            raise

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with suppress(httpx.TransportError):
            return self.http.get("/v1/models").status_code == 200
        return False

    # --- clients

    def client(self) -> httpx.Client:
        """A client with connections of its own; the base URL is the daemon's."""
        transport = httpx.HTTPTransport(uds=str(self.socket))
        client = httpx.Client(transport=transport, base_url="http://localhost", timeout=120)
        return self._clients.enter_context(client)

    def url(self) -> str:
        """Return where it listens over TCP; `tcp.listen` of its configuration is `127.0.0.1:0`."""
        told = re.compile(r"serving on .* 127\.0\.0\.1:(\d+)")
        log = eventually(lambda: told.search(self.log.read_text()), "the port is told")
        return f"http://127.0.0.1:{log[1]}"

    def sdk(self) -> openai.OpenAI:
        """The openai SDK over the Unix socket; what fails is not tried again."""
        return openai.OpenAI(
            api_key="unused",
            base_url="http://localhost/v1",
            max_retries=0,
            http_client=self.client(),
        )

    @contextmanager
    def stream(self, path: str = "/v1/completions", **body: Any) -> Iterator[Iterator[Any]]:
        """The events of a streamed request, decoded, without [DONE]."""
        body = {"model": self.model, "stream": True} | body
        with self.http.stream("POST", path, json=body) as response:
            assert response.status_code == 200, response.read()
            yield events(response)

    def complete(self, prompt: str, **fields: Any) -> str:
        """The greedy continuation of `prompt`, unless `fields` say otherwise."""
        answer = self.post({"prompt": prompt, "temperature": 0} | fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["choices"][0]["text"]

    def post(self, body: dict[str, Any], path: str = "/v1/completions") -> httpx.Response:
        """A plain request for the daemon's model."""
        return self.http.post(path, json={"model": self.model} | body)

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """A command line `edge-rt ...` against this daemon's socket."""
        environment = os.environ | {"EDGE_RT_SOCKET": str(self.socket), "NO_COLOR": "1"}
        options = {"input": "", "capture_output": True, "text": True, "timeout": 120} | options
        return subprocess.run([COMMAND, *arguments], env=environment, **options)

    # --- state

    def status(self) -> dict[str, Any]:
        """Return what /edge/v1/status says."""
        return self.http.get("/edge/v1/status").json()

    def engine(self) -> dict[str, Any]:
        """The engine's part of the status, once it is running."""
        state = eventually(
            lambda: (s := self.status()["engine"])["state"] == "running" and s, "an engine runs"
        )
        assert isinstance(state, dict)
        return state

    def loaded(self) -> set[str]:
        """The models in memory."""
        return {m["id"] for m in self.status()["models"] if m["loaded"]}

    def quiet(self) -> dict[str, Any]:
        """The engine's state once nothing is waiting or running anywhere in the daemon."""

        def idle() -> dict[str, Any] | None:
            engine = self.engine()
            busy = engine["running"] or engine["waiting"] or self.status()["requests"]
            return None if busy else engine

        return eventually(idle, "the daemon is idle")

    def steps(self) -> int:
        """The engine's steps once nothing is under way, the one that noticed it included."""
        self.quiet()
        return self.engine()["steps"]

    def metrics(self) -> str:
        """Return what /metrics says."""
        return self.http.get("/metrics").text

    # --- ends

    def kill_engine(self, sign: signal.Signals = signal.SIGKILL) -> int:
        """Kill the engine and see it gone; returns its pid."""
        pid = self.engine()["pid"]
        assert psutil.Process(pid).ppid() == self.process.pid
        os.kill(pid, sign)
        eventually(lambda: gone(pid), "the engine is gone")
        return pid

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Leave nothing running, whatever state the test left."""
        self._clients.close()
        if self.process.poll() is None:
            children = psutil.Process(self.process.pid).children()
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
            for child in psutil.wait_procs(children, timeout=10)[1]:
                child.kill()


def gone(pid: int) -> bool:
    """Return whether the process has ended; a zombie has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def events(response: httpx.Response) -> Iterator[Any]:
    """The JSON documents of a stream of server-sent events; it must end as it should."""
    ended = False
    for line in response.iter_lines():
        if not line or line.startswith(":"):  # a comment, which keeps a silent stream open
            continue
        assert line.startswith("data: "), line
        assert not ended, "nothing may follow the end"
        if line == "data: [DONE]":
            ended = True
            continue
        document = json.loads(line.removeprefix("data: "))
        ended = "error" in document
        yield document
    assert ended, "the stream broke off"


def texts(documents: Iterator[Any]) -> Iterator[str]:
    """The pieces of text in a stream's documents."""
    for document in documents:
        assert "error" not in document, document
        for choice in document["choices"]:
            delta = choice.get("delta")
            yield choice["text"] if delta is None else delta.get("content", "")


class Tools:
    """The helpers above, for tests: modules of tests do not import each other."""

    eventually = staticmethod(eventually)
    steady = staticmethod(steady)
    events = staticmethod(events)
    gone = staticmethod(gone)
    texts = staticmethod(texts)

    @staticmethod
    def together(calls: list[Callable[[], Any]]) -> list[Any]:
        """Run all `calls` at once, each in a thread; their results, in order."""
        results: list[Any] = [None] * len(calls)

        def run(place: int) -> None:
            try:
                results[place] = calls[place]()
            except BaseException as error:
                results[place] = error

        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results


@pytest.fixture(scope="session")
def tools() -> type[Tools]:
    return Tools


@pytest.fixture(scope="session")
def make_daemon(tmp_path_factory, store):
    """Makes daemons; whoever asks closes them."""

    def make(
        root: Path = store,
        /,
        *,
        through: list[str] | None = None,
        environment: dict[str, str] | None = None,
        **config: Any,
    ) -> Daemon:
        return Daemon(tmp_path_factory.mktemp("d"), root, config, through, environment)

    return make


@pytest.fixture(scope="session")
def make_board(tmp_path_factory):
    """A simulated board that is heated by this process and its children: its directory."""

    @contextmanager
    def board(name: str) -> Iterator[Path]:
        root = tmp_path_factory.mktemp("twin") / "board"
        words = ["twin", "--board", name, "--watch", str(os.getpid()), "--dir", str(root)]
        twin = subprocess.Popen([COMMAND, *words], stdout=subprocess.PIPE, text=True)
        try:
            assert twin.stdout is not None
            assert twin.stdout.readline().strip() == str(root)
            yield root
        finally:
            twin.send_signal(signal.SIGTERM)
            twin.wait(30)

    return board


@pytest.fixture(scope="session")
def daemon(make_daemon) -> Iterator[Daemon]:
    """The daemon that most tests share; it must come out of each as it went in."""
    daemon = make_daemon()
    yield daemon
    daemon.close()


@pytest.fixture
def own_daemon(make_daemon):
    """Makes daemons for one test, which may do with them what it likes."""
    with ExitStack() as stack:

        def make(*arguments: Any, **config: Any) -> Daemon:
            daemon = make_daemon(*arguments, **config)
            stack.callback(daemon.close)
            return daemon

        yield make


@pytest.fixture
def sdk(daemon) -> openai.OpenAI:
    return daemon.sdk()


@pytest.fixture(scope="session")
def tasks_store(
    store: Path, minilm: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A store with a model of each kind; never changed."""
    root = tmp_path_factory.mktemp("tasks")
    shutil.copytree(store, root / "models", copy_function=os.link)
    models = Store(root / "models", load_catalogue())
    pull(minilm.name, models, cache=cache)
    return root / "models"


@pytest.fixture(scope="session")
def caller_store(store: Path, smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the model, and the same as "caller", which calls the first tool."""
    root = tmp_path_factory.mktemp("caller")
    models, file = Store(root / "models", load_catalogue()), root / "caller.gguf"
    os.link(Store(store, load_catalogue()).check("smollm2-135m-instruct"), root / smollm2.name)
    program = [sys.executable, "-m", "gguf.scripts.gguf_new_metadata"]
    template = ["--chat-template-file", Path(__file__).parent / "clients" / "caller.jinja"]
    subprocess.run([*program, *template, smollm2, file], check=True, capture_output=True)
    models.add(root / smollm2.name, move=True)
    models.add(file, "caller", move=True)
    return root / "models"


@pytest.fixture(scope="module")
def both_backends(
    tmp_path_factory: pytest.TempPathFactory, smollm2: Path, smollm2_onnx: Path
) -> Path:
    """A store with the model for either backend."""
    root = tmp_path_factory.mktemp("both")
    store = Store(root / "models", load_catalogue())
    for source in (smollm2, *smollm2_onnx.parent.iterdir()):
        target = root / ("onnx" if source != smollm2 else ".") / source.name
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # the cache is on another disk
            shutil.copyfile(source, target)
    store.add(root / smollm2.name, move=True)
    store.add(root / "onnx", ONNX_MODEL, move=True)
    return store.root
