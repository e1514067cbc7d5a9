"""The page and its files: open to all, small, and closed to all that is not theirs."""

from __future__ import annotations

import hashlib
import re

import pytest

from edge_rt.api.page import BELOW, FOLDER, MEDIA_TYPES

TCP = ("127.0.0.1", 8080)
HASH = hashlib.sha256(b"sk-edge-1").hexdigest()
HTML = {"host": "board.lan:8080", "accept": "text/html,application/xhtml+xml"}
MOST_BYTES = 60_000


@pytest.fixture
def closed(make_client):
    """An app that wants a key over TCP."""
    return make_client(api_key_sha256=[HASH])


def test_browsers_get_the_page_and_other_clients_what_they_look_for(client):
    page = client.get("/", headers=HTML)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.body.startswith(b"<!doctype html>")
    assert page.headers["vary"] == "accept"
    for headers in ({}, {"accept": "*/*"}, {"accept": "application/json"}):
        assert client.get("/", headers=headers).body == b"Ollama is running"


@pytest.mark.parametrize("path", ["/", *(f"{BELOW}{name}" for name in MEDIA_TYPES)])
def test_every_file_is_open_without_a_key_and_confined(closed, path):
    response = closed.get(path, headers=HTML, server=TCP)
    assert response.status == 200
    policy = dict(part.split(" ", 1) for part in _policy(response))
    assert policy["default-src"] == "'none'"
    for what in ("script-src", "style-src", "img-src", "connect-src"):
        assert policy[what] == "'self'"
    for what in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[what] == "'none'"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


def _policy(response) -> list[str]:
    return [part.strip() for part in response.headers["content-security-policy"].split(";")]


def test_a_wrong_key_opens_nothing(closed):
    wrong = HTML | {"authorization": "Bearer wrong"}
    assert closed.get("/", headers=wrong, server=TCP).status == 401
    for path in ("/edge/v1/events", "/edge/v1/history"):
        assert closed.get(path, headers=HTML, server=TCP).status == 401


def test_all_of_it_is_small_and_served():
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert {*files} == {"index.html", *MEDIA_TYPES}
    assert sum(files.values()) <= MOST_BYTES


def test_it_needs_nothing_from_elsewhere_and_no_inline_code():
    for path in FOLDER.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.|@import|innerHTML|\beval\(", text), path
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=\"", text), path
