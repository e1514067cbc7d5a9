"""Models of the hub by name, from a server that plays the hub."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tiny_projector import write_projector

from edge_rt.core.errors import ModelNotFound, RequestError, StoreError, Unavailable
from edge_rt.models.catalogue import Catalogue, load_catalogue
from edge_rt.models.naming import HubName
from edge_rt.models.pull import Means, find_model, pull
from edge_rt.models.store.store import Store

NAME = "hf:someone/Tiny-Chat-GGUF"
REVISION = "0123456789abcdef0123456789abcdef01234567"


class PlayedHub(ThreadingHTTPServer):
    """A hub with one repository; its files lie on another server, as the real one's do."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.card: dict[str, Any] = {"license": "apache-2.0"}
        self.plain: set[str] = set()  # files without a sha256
        self.token: str | None = None  # that opens the files
        self.pause_s = 0.0  # between two pieces of a file
        self.seen: list[tuple[str, str | None]] = []  # paths and who asked
        self.shelf: PlayedHub | None = None
        self.said: bytes | None = None  # gzip, instead of what there is

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed break their connections off."""


class Handler(BaseHTTPRequestHandler):
    server: PlayedHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        hub, path = self.server, self.path
        hub.seen.append((path, self.headers["authorization"]))
        if path.startswith("/api/") and hub.said is not None:
            self._say(hub.said)
        elif path == "/api/models/someone/Tiny-Chat-GGUF?blobs=true":
            siblings = [self._sibling(name) for name in hub.files]
            self._send(json.dumps({"sha": REVISION, "siblings": siblings, "cardData": hub.card}))
        elif path.startswith("/api/"):
            self.send_error(401)
        elif hub.shelf is None:
            self._file(path.removeprefix("/"))
        elif hub.token is not None and self.headers["authorization"] != f"Bearer {hub.token}":
            self.send_response(403)
            self.send_header("x-error-code", "GatedRepo")
            self.send_header("x-error-message", "Access to model someone/Tiny-Chat is restricted.")
            self.end_headers()
        else:
            name = path.removeprefix(f"/someone/Tiny-Chat-GGUF/resolve/{REVISION}/")
            self.send_response(302)
            self.send_header("location", f"{hub.shelf.endpoint}/{name}")
            self.end_headers()

    def _sibling(self, name: str) -> dict[str, Any]:
        content = self.server.files[name]
        told: dict[str, Any] = {"rfilename": name, "size": len(content)}
        if name not in self.server.plain:
            told["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        return told

    def _send(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def _say(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("content-encoding", "gzip")
        self.end_headers()
        self.wfile.write(content)

    def _file(self, name: str) -> None:
        content = self.server.files[name]
        start = 0
        if wanted := self.headers["range"]:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("content-range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.end_headers()
        for at in range(start, len(content), 4096):
            self.wfile.write(content[at : at + 4096])
            time.sleep(self.server.pause_s)


@pytest.fixture
def hub(gguf: Any) -> Iterator[PlayedHub]:
    for key in ("general.license", "general.organization"):
        del gguf.metadata[key]  # else what the file says of itself counts
    with PlayedHub() as shelf, PlayedHub() as server:
        server.shelf = shelf
        server.files = {
            "README.md": b"# Tiny",
            "tiny-chat-q8_0.gguf": gguf.encode(),
            "tiny-chat-q4_k_m.gguf": gguf.encode() + bytes(32),
            "imatrix-tiny-q4_k_m.gguf": b"another",
        }
        shelf.files = server.files
        both = shelf, server
        threads = [threading.Thread(target=one.serve_forever, args=(0.01,)) for one in both]
        for thread in threads:
            thread.start()
        yield server
        for one in both:
            one.shutdown()
        for thread in threads:
            thread.join()


def u16(value: int) -> bytes:
    return struct.pack("<IH", 2, value)


def means(hub: PlayedHub, token: str | None = None) -> Means:
    return Means(endpoint=hub.endpoint, token=token)


@pytest.mark.parametrize(
    ("text", "repository", "wanted"),
    [
        ("hf:someone/tiny", "someone/tiny", None),
        ("hf.co/someone/tiny:Q4_K_M", "someone/tiny", "Q4_K_M"),
        ("https://huggingface.co/a/b-GGUF", "a/b-GGUF", None),
        ("huggingface.co/a/b:sub/c-Q8_0.gguf", "a/b", "sub/c-Q8_0.gguf"),
    ],
)
def test_names_as_others_take_them(text: str, repository: str, wanted: str | None) -> None:
    assert HubName.parse(text) == (repository, wanted)


@pytest.mark.parametrize("text", ["hf:tiny", "hf:a/b/c", "hf:a/b:", "hf.co/", "hf:../b", "hf:a/ b"])
def test_names_of_another_form(text: str) -> None:
    with pytest.raises(RequestError, match="OWNER/REPOSITORY"):
        find_model(text, Catalogue(), Means(endpoint="http://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("behind", "file"),
    [
        ("", "tiny-chat-q4_k_m.gguf"),
        (":Q8_0", "tiny-chat-q8_0.gguf"),
        (":q4_k_m", "tiny-chat-q4_k_m.gguf"),
        (":tiny-chat-q8_0.gguf", "tiny-chat-q8_0.gguf"),
    ],
)
def test_a_model_is_pulled_with_its_licence(
    hub: PlayedHub, tmp_path: Path, behind: str, file: str
) -> None:
    store = Store(tmp_path / "store", load_catalogue())
    found = find_model(NAME + behind, store.catalogue, means(hub))
    assert found.files[0].name == file
    assert found.licence == "apache-2.0"
    pull(found, store, means=means(hub))
    record = Store(tmp_path / "store", load_catalogue()).get(file.removesuffix(".gguf"))
    assert record.sha256 == hashlib.sha256(hub.files[file]).hexdigest()
    assert record.licence == "apache-2.0"
    assert record.owner == "someone"
    for name in (NAME, NAME + behind, f"hf.co/Someone/tiny-chat-gguf{behind}"):
        assert store.fetched_as(name) == record.id
    for name in (NAME + ":Q5_0", "hf:someone/other", "hf:no-name", record.id):
        assert store.fetched_as(name) is None
    before = len(hub.seen)
    assert pull(found, store, means=means(hub)).id == record.id, "it is there"
    assert len(hub.seen) == before


def test_a_projector_comes_with_the_model(hub: PlayedHub, tmp_path: Path) -> None:
    for kind in ("F16", "Q8_0"):
        hub.files[f"mmproj-Tiny-{kind}.gguf"] = write_projector(tmp_path / kind).read_bytes()
    store = Store(tmp_path / "store", load_catalogue())
    found = find_model(NAME + ":Q8_0", store.catalogue, means(hub))
    assert [file.name for file in found.files] == ["tiny-chat-q8_0.gguf", "mmproj-Tiny-Q8_0.gguf"]
    entry = pull(found, store, means=means(hub))
    assert entry.sha256 == found.sha256
    assert entry.projector is not None
    assert entry.projector.read_bytes() == hub.files["mmproj-Tiny-Q8_0.gguf"]
    before = len(hub.seen)
    assert pull(found, store, means=means(hub)) == entry, "it is there"
    assert len(hub.seen) == before
    entry.projector.unlink()
    pull(found, store, means=means(hub))
    assert store.harm(entry.id) is None


def test_a_projector_of_sounds_is_left_out(hub: PlayedHub, gguf: Any, tmp_path: Path) -> None:
    clip = struct.pack("<IQ", 8, 4) + b"clip"
    hub.files["mmproj-Tiny-Q8_0.gguf"] = gguf.changed(general__architecture=clip).encode()
    store, told = Store(tmp_path / "store", load_catalogue()), list[str]()
    found = find_model(NAME + ":Q8_0", store.catalogue, means(hub))
    entry = pull(found, store, means=means(hub), tell=told.append)
    assert entry.projector is None
    assert "mmproj-Tiny-Q8_0.gguf is left out" in told[0]
    before = len(hub.seen)
    assert pull(found, store, means=means(hub)) == entry, "it is there"
    assert len(hub.seen) == before
    entry.path.unlink()
    pull(found, store, means=means(hub))
    assert store.harm(entry.id) is None
    assert not (tmp_path / "store" / ".pull").exists()


def test_a_model_that_was_there_before_its_projector_stays(hub: PlayedHub, tmp_path: Path) -> None:
    store = Store(tmp_path / "store", load_catalogue())
    blind = find_model(NAME + ":Q8_0", store.catalogue, means(hub))
    entry = pull(blind, store, means=means(hub))
    hub.files["mmproj-Tiny-Q8_0.gguf"] = write_projector(tmp_path / "eyes").read_bytes()
    found = find_model(NAME + ":Q8_0", store.catalogue, means(hub))
    assert pull(found, store, means=means(hub)) == entry
    entry.path.unlink()
    assert pull(found, store, means=means(hub)).projector is None
    assert store.harm(entry.id) is None
    hub.files["tiny-chat-q8_0.gguf"] += bytes(32)
    with pytest.raises(StoreError, match="another model"):
        pull(find_model(NAME + ":Q8_0", store.catalogue, means(hub)), store, means=means(hub))


def test_a_model_in_parts_is_pulled_whole(hub: PlayedHub, gguf: Any, tmp_path: Path) -> None:
    names = [f"Q8_0/tiny-Q8_0-0000{n}-of-00002.gguf" for n in (1, 2)]
    parts = [
        dataclasses.replace(
            gguf.changed(split__count=u16(2)) if place == 0 else gguf,
            tensors=gguf.tensors[place : 3 * place + 1],
        )
        for place in (0, 1)
    ]
    parts[1] = dataclasses.replace(parts[1], metadata={"split.count": u16(2)})
    hub.files |= {name: part.encode() for name, part in zip(names, parts, strict=True)}
    del hub.files["tiny-chat-q8_0.gguf"]
    store = Store(tmp_path / "store", load_catalogue())
    found = find_model(NAME + ":Q8_0", store.catalogue, means(hub))
    assert found.id == "tiny-q8_0"
    record = pull(found, store, means=means(hub))
    paths = [record.path.with_name(file.name) for file in record.files]
    assert [path.read_bytes() for path in paths] == [hub.files[name] for name in names]
    asked = len(hub.seen)
    assert pull(found, store, means=means(hub)).id == record.id, "it is there"
    paths[1].unlink()
    pull(found, store, means=means(hub))
    assert paths[1].read_bytes() == hub.files[names[1]]
    assert len(hub.seen) > asked
    assert not list((tmp_path / "store" / ".pull").glob("**/*.gguf"))


def test_what_the_catalogue_knows_is_its_own(hub: PlayedHub) -> None:
    content = hub.files["tiny-chat-q8_0.gguf"]
    found = find_model(NAME + ":Q8_0", Catalogue(), means(hub))
    known = Catalogue([msgspec.structs.replace(found, id="mine")])
    assert find_model(NAME + ":Q8_0", known, means(hub)).id == "mine"
    assert found.sha256 == hashlib.sha256(content).hexdigest()


def test_a_gated_model_says_what_the_hub_says(hub: PlayedHub, tmp_path: Path) -> None:
    hub.token = "secret"
    store = Store(tmp_path / "store", Catalogue())
    found = find_model(NAME, store.catalogue, means(hub))
    with pytest.raises(Unavailable, match=r"Access to model .* is restricted.*HF_TOKEN"):
        pull(found, store, means=means(hub))
    pull(found, store, means=means(hub, "secret"))
    assert hub.shelf is not None
    assert {who for _, who in hub.shelf.seen} == {None}, "the token is the hub's alone"


@pytest.mark.parametrize(
    ("files", "behind", "message"),
    [
        (["README.md"], "", "no GGUF file"),
        (["a-00001-of-00002.gguf"], "", "lacks a-00002-of-00002.gguf"),
        (["a-00002-of-00002.gguf"], "", "no GGUF file"),
        (["a-Q8_0.gguf", "b-Q8_0.gguf"], ":Q8_0", "several that fit.*a-Q8_0.gguf, b-Q8_0.gguf"),
        (["a-Q8_0.gguf"], ":Q2_K", "no file 'Q2_K'.*a-Q8_0.gguf"),
        (["a-IQ1_S.gguf", "a-IQ2_S.gguf"], "", "several that fit"),
    ],
)
def test_what_cannot_be_chosen_is_told(
    hub: PlayedHub, files: list[str], behind: str, message: str
) -> None:
    hub.files = dict.fromkeys(files, b"content")
    with pytest.raises(ModelNotFound, match=message):
        find_model(NAME + behind, Catalogue(), means(hub))


def test_a_file_without_a_hash_is_not_taken(hub: PlayedHub) -> None:
    hub.plain = {"tiny-chat-q8_0.gguf"}
    with pytest.raises(ModelNotFound, match="no sha256"):
        find_model(NAME + ":Q8_0", Catalogue(), means(hub))


def test_a_hub_that_is_none(hub: PlayedHub) -> None:
    with pytest.raises(ModelNotFound, match=r"no model someone/other.*HF_TOKEN"):
        find_model("hf:someone/other", Catalogue(), means(hub))
    with pytest.raises(Unavailable):
        find_model(NAME, Catalogue(), Means(endpoint="http://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b" " * (17 << 20) + b"{}", "larger than"),
        (b'{"sha": "\xed\xa0\x80", "siblings": []}', "(?i:utf-8)"),
        (b'{"cardData": {"base": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "recursion"),
    ],
)
def test_an_answer_that_is_none_of_a_hub(hub: PlayedHub, said: bytes, reason: str) -> None:
    hub.said = gzip.compress(said)
    with pytest.raises(Unavailable, match=f"is no answer of a model hub: .*{reason}"):
        find_model(NAME, Catalogue(), means(hub))


def test_a_token_with_a_line_end_is_one_without() -> None:
    assert Means.detect({"HF_TOKEN": "secret\n"}).token == "secret"
    assert Means.detect({"HF_TOKEN": " \n"}).token is None


def test_other_content_than_the_hub_tells_is_refused(hub: PlayedHub, tmp_path: Path) -> None:
    store = Store(tmp_path / "store", Catalogue())
    found = find_model(NAME, store.catalogue, means(hub))
    assert hub.shelf is not None
    hub.shelf.files = {name: content[::-1] for name, content in hub.files.items()}
    with pytest.raises(Unavailable, match="expected"):
        pull(found, store, means=means(hub))
    assert store.find(found.id) is None


@pytest.mark.slow
def test_twenty_kills_while_pulling_leave_no_half_model(
    hub: PlayedHub, gguf: Any, tmp_path: Path
) -> None:
    hub.files["tiny-chat-q4_k_m.gguf"] = content = gguf.encode() + bytes(400_000)
    assert hub.shelf is not None
    hub.shelf.pause_s, place, dice = 0.005, tmp_path / "store", random.Random(7)
    command = [str(Path(sys.executable).with_name("edge-rt")), "models", "pull", NAME]
    command += ["--store", str(place), "--config", os.devnull]
    environ = os.environ | {"HF_ENDPOINT": hub.endpoint}
    catalogue = load_catalogue()
    for _ in range(20):
        asked = len(hub.seen)
        process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
        while len(hub.seen) < asked + 2 and process.poll() is None:  # its file is asked for
            time.sleep(0.01)
        time.sleep(dice.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = Store(place, catalogue).find("tiny-chat-q4_k_m")
        assert found is None or found.path.read_bytes() == content
    hub.shelf.pause_s = 0.0
    subprocess.run(command, env=environ, check=True, capture_output=True)
    assert Store(place, catalogue).get("tiny-chat-q4_k_m").path.read_bytes() == content
    left = [path for path in place.glob(".pull/**/*") if path.is_file() and path.stat().st_size]
    assert left == [], "nothing is left of the downloads"
