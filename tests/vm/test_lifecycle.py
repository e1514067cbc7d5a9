"""tools/install from the first time to --uninstall, while clients ask."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
from vm.guest.databases import left
from vm_guests import MODEL, Box

PATHS = ("opt/edge-rt", "usr/local/bin/edge-rt", "etc/sysusers.d/edge-rt.conf")
UNITS = ("etc/systemd/system/edge-rt.service", "etc/systemd/system/edge-rt.socket")


def there(box: Box, *places: str) -> set[str]:
    return {place for place in places if Path(box.guest.files, place).exists()}


def told(box: Box) -> set[object]:
    """Return when the last requests ended, as the daemon tells."""
    with box.client() as http:
        return {entry["ended"] for entry in http.get("/edge/v1/ledger?last=20").json()["last"]}


def booked(box: Box) -> set[object]:
    """Return when those ended that are in the ledger's file, which no daemon writes now."""
    databases: Any = left(box.guest.files / "var/lib/edge-rt")["databases"]
    return {ended for _, ended, *_ in databases["ledger.db"]["rows"]}


def version(box: Box) -> str:
    return box.run("edge-rt", "--version").stdout.split()[-1]


def test_installed_again_upgraded_and_gone(bare: Box, next_version: str) -> None:
    bare.install("--wheels", "/wheels/one")
    assert bare.run("systemctl", "is-enabled", "edge-rt.socket", "edge-rt.service").returncode == 0
    assert bare.show("ActiveState") == "active"
    assert bare.complete(prompt="Hello", max_tokens=4)
    daemon, first, before = bare.show("MainPID"), version(bare), told(bare)
    assert before

    assert "as it should be" in bare.install("--wheels", "/wheels/one").stdout
    assert bare.show("MainPID") == daemon

    bare.run("mkdir", "/wheels-of-nothing")
    assert bare.install("--wheels", "/wheels-of-nothing", check=False).returncode == 1
    assert (bare.show("MainPID"), version(bare)) == (daemon, first)

    asker = Asker(bare)
    bare.install("--wheels", "/wheels/two")
    assert version(bare) == next_version != first
    assert asker.end() == set()
    assert bare.show("MainPID") != daemon
    assert bare.complete(prompt="Hello", max_tokens=4)

    bare.install("--uninstall")
    assert there(bare, *PATHS, *UNITS, "run/edge-rt/edge-rt.sock") == set()
    assert bare.show("LoadState") == "not-found"
    assert bare.processes() == []
    assert there(bare, "etc/edge-rt/config.yaml")
    assert before < booked(bare)


class Asker:
    """Asks again and again, each time as a new client."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._wrong: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def end(self) -> set[str]:
        """Return what went otherwise than it must; not before a request has been answered."""
        self._over.set()
        self._thread.join()
        return self._wrong

    def _ask(self) -> None:
        body = {"model": MODEL, "prompt": "Hello", "max_tokens": 2}
        while not self._over.is_set():
            with self._box.client() as http:
                try:
                    answer = http.post("/v1/completions", json=body)
                except httpx.HTTPError as error:
                    self._wrong.add(repr(error))
                    continue
            # One that stops may send away whom it has not begun to answer.
            if answer.status_code != 200 and "retry-after" not in answer.headers:
                self._wrong.add(f"{answer.status_code}: {answer.text}")
