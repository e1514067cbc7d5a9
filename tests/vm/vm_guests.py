"""Guests as tests see them, and what they are made from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
from bootstrap.paths import CHECKOUT
from installlib.source import Checkout
from nspawn import Container
from vm import debian
from vm import wheels as guest_wheels

MODEL = "smollm2-135m-instruct"
CACHE = "/srv/cache"
SOCKET = "run/edge-rt/edge-rt.sock"
CONFIG = "etc/edge-rt/config.yaml"
# Small batches, so that on a fast machine too an answer takes many passes.
USUAL = {
    "models": {"store": "/srv/models"},
    "engine": {"threads": 1, "context": 1024, "sequences": 4, "batch": 128},
    "cache": {"enabled": False},  # what is asked twice is made twice
}
STREAM = {"prompt": "Count: 1, 2,", "temperature": 0, "max_tokens": 300, "ignore_eos": True}


class Box:
    """A guest with edge_rt, and a client on its socket."""

    def __init__(self, guest: Container) -> None:
        self.guest = guest
        self.run = guest.run

    def write(self, place: str, text: str) -> None:
        """A file of the guest."""
        path = self.guest.files / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def configure(self, **config: Any) -> None:
        """Another configuration, which nobody has read yet."""
        self.write(CONFIG, json.dumps(USUAL | config))  # JSON is YAML

    def install(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """tools/install, as root of the guest would call it."""
        return self.run("python3", "/checkout/tools/install", *arguments, **options)

    def client(self) -> httpx.Client:
        """A client with connections of its own."""
        transport = httpx.HTTPTransport(uds=str(self.guest.files / SOCKET))
        return httpx.Client(transport=transport, base_url="http://localhost", timeout=120)

    def complete(self, **body: Any) -> str:
        """The greedy continuation of a prompt, by a connection of its own."""
        with self.client() as http:
            answer = http.post("/v1/completions", json={"model": MODEL, "temperature": 0} | body)
        assert answer.status_code == 200, answer.text
        return answer.json()["choices"][0]["text"]

    def engine(self) -> int:
        """The engine's process, as the guest counts. Only for while a model is loaded."""
        with self.client() as http:
            return http.get("/edge/v1/status").json()["engine"]["pid"]

    def show(self, key: str, unit: str = "edge-rt.service") -> str:
        """Return what systemd knows of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={key}", unit).stdout.strip()

    def log(self) -> str:
        """Return what the daemon has said."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit=edge-rt").stdout

    def processes(self) -> list[str]:
        """The processes of the user edge-rt."""
        return self.run("pgrep", "--uid", "edge-rt", check=False).stdout.split()

    def close(self) -> None:
        """Leave nothing running."""
        self.guest.close()


def root(cache: Path, log: Path) -> Path:
    """Debian without edge_rt. Made once, it stays in the cache."""
    return debian.find(cache) or debian.make(cache, log)


def wheels(cache: Path, root: Path, place: Path, following: str) -> Path:
    """Folders of wheels below `place`: `one`, of this checkout, and `two`, of another version."""
    python, log = Path(sys.executable), place / "log"
    llama = Checkout("", os.environ | {"EDGE_RT_CACHE": str(cache)}).llama(python, log)
    needed = guest_wheels.collect(python, cache, llama, debian.python_of(root), log)
    for name in ("one", "two"):
        shutil.copytree(needed, place / "wheels" / name, copy_function=_link)
    ours = guest_wheels.edge_rt(python, place / "wheels/one", log)
    _publish(ours, place / "wheels/two", following)
    return place / "wheels"


def _publish(wheel: Path, place: Path, version: str) -> None:
    """Return the same wheel under another version."""
    name, old, rest = wheel.name.split("-", 2)
    with ZipFile(wheel) as source, ZipFile(place / f"{name}-{version}-{rest}", "w") as target:
        for path in source.namelist():
            content = source.read(path)
            if path.endswith(("RECORD", "METADATA", "edge_rt/__init__.py")):
                content = content.replace(old.encode(), version.encode())
            target.writestr(path.replace(f"{name}-{old}", f"{name}-{version}"), content)


def boot(root: Path, wheels: Path, store: Path, cache: Path, console: Path) -> Box:
    """A guest without edge_rt, but with its configuration.

    This checkout's tests can run in it: the interpreter lies where it does here.
    """
    shown = {"/checkout": CHECKOUT, "/wheels": wheels, "/srv/models": store}
    python = {Path(sys.prefix), Path(sys.base_prefix)} - {Path("/usr")}  # that one has its own
    shown |= {str(path): path for path in (CHECKOUT, *sorted(python))}
    shown |= {f"{CACHE}/{name}": cache / name for name in ("models", "wheels")}
    box = Box(Container(root, shown, console))
    box.configure()
    return box


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # the cache is on another disk
        shutil.copyfile(source, target)
