"""The page for people, in a real browser."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, chromium

KEYS = {name: f"a {name} key for a test" for name in ("user", "admin")}
HASHES = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in KEYS.items()}
WIDE, NARROW = (880, 720), (390, 844)
KEEP = "PAGE_PICTURES"  # names a folder for pictures below /tmp; those of docs/how-to are made so

Until = Callable[[Callable[[], Any], str], Any]


def free_port() -> int:
    """A port that stays the same when the daemon starts again."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def url(daemon) -> str:
    return f"http://127.0.0.1:{daemon.port}/"


@pytest.fixture(scope="module")
def daemon(make_daemon, make_board) -> Iterator[Any]:
    """One on a simulated board, that wants keys over TCP."""
    port = free_port()
    tcp = {
        "listen": f"127.0.0.1:{port}",
        "api_key_sha256": list(HASHES.values()),
        "admin_key_sha256": [HASHES["admin"]],
    }
    with make_board("raspberry-pi-5") as root:
        daemon = make_daemon(
            sensors={"root": str(root)}, tcp=tcp, budget={"power_w": 11.0, "temp_c": 75.0}
        )
        daemon.port = port
        yield daemon
        daemon.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with chromium(tmp_path) as browser:
        browser.look(*WIDE)
        yield browser


def enter(browser: Browser, url: str, key: str, until: Until) -> None:
    """Load the page and give it that key."""
    browser.open(url)
    until(lambda: browser.run("return document.getElementById('key-dialog').open"), "it asks")
    browser.type("#key", key)
    browser.click("#key-form button")
    until(lambda: live(browser), "the page is live")


def live(browser: Browser) -> bool:
    return browser.text("#link") == "live"


def refused_loads(told: list[str]) -> list[str]:
    """Of the console what is not a request that was refused or lost, which Chromium logs itself."""
    return [
        line for line in told if "Failed to load resource" not in line and "net::ERR" not in line
    ]


def test_the_page_shows_asks_and_goes_on(daemon, url, browser, tools):
    until = tools.eventually
    browser.open(url)
    until(lambda: browser.run("return document.getElementById('key-dialog').open"), "it asks")
    assert browser.violations() == []
    browser.type("#key", "no key of this daemon")
    browser.click("#key-form button")
    until(lambda: "not one of" in browser.text("#key-told"), "a wrong key is refused")
    browser.type("#key", KEYS["admin"])
    browser.click("#key-form button")
    until(lambda: live(browser), "the page is live")

    # What the board draws and how warm it is, as figures and as lines.
    until(lambda: browser.text("#power").endswith(" W"), "watts appear")
    until(lambda: browser.text("#temp").endswith(" °C"), "degrees appear")
    assert "of 11 W" in browser.text("#power-note")
    assert "Raspberry Pi 5" in browser.text("#board-name")
    lines = "return document.querySelector('#power-chart .line.power').getAttribute('d').length"
    until(lambda: browser.run(lines) > 20, "a line is drawn")

    # An answer arrives piece by piece, and is in the list with its joules and the reason.
    browser.type("#words", "Name three rivers of Europe.")
    browser.press("\ue007")  # Enter
    until(lambda: browser.run("return document.querySelectorAll('#log .model small').length"), "")
    answer, about = browser.text("#log .model .words"), browser.text("#log .model small")
    assert answer
    assert daemon.model in about
    assert " J" in about
    until(lambda: daemon.model in browser.text("#requests"), "the request is listed")
    until(lambda: daemon.model in browser.text("#models"), "the model is in memory")
    assert "answered" in browser.text("#requests li")
    assert browser.text("#requests li .reason")

    # A cap is set, shown and in force; what cannot be one is refused in words.
    browser.type("#cap-power", "9.5")
    browser.click("#caps button")
    until(lambda: "are set" in browser.text("#caps-told"), "the caps are set")
    until(lambda: "of 9.5 W" in browser.text("#power-note"), "the cap is shown")
    assert daemon.http.get("/edge/v1/budget").json()["budget"]["power_w"] == 9.5
    looks(browser)
    browser.type("#cap-temp", "400")
    browser.click("#caps button")
    until(lambda: "temp_c" in browser.text("#caps-told"), "the field is named")
    assert browser.text("#caps-told").startswith("Not changed.")
    assert daemon.http.get("/edge/v1/budget").json()["budget"]["temp_c"] == 75.0

    assert refused_loads(browser.logged()) == []

    # The daemon goes and comes back; the page says so, and goes on by itself.
    daemon.terminate()
    until(lambda: "gone" in browser.text("#link"), "it says that the daemon is gone")
    assert browser.violations() == []
    daemon.start()
    until(lambda: live(browser), "the page is live again")
    until(lambda: "of 11 W" in browser.text("#power-note"), "the caps of the configuration count")
    # Why it chose is forgotten, about which a line for each request says nothing.
    until(lambda: "answered" in browser.text("#requests li"), "the request is still listed")
    assert browser.run("return document.querySelectorAll('#requests .reason').length") == 0
    assert refused_loads(browser.logged()) == []


def looks(browser: Browser) -> None:
    """No barrier on any device; keeps pictures where the environment names a folder."""
    folder = os.environ.get(KEEP)
    for name, size in (("wide", WIDE), ("narrow", NARROW)):
        for scheme in ("light", "dark"):
            browser.look(*size, scheme)
            assert browser.violations() == [], (name, scheme)
            across = "return [document.documentElement.scrollWidth, innerWidth]"
            needed, there = browser.run(across)
            assert needed <= there, f"{name}: nothing is beyond the right edge"
            if folder:
                browser.run("scrollTo(0, 0)")
                (Path(folder) / f"page-{name}-{scheme}.png").write_bytes(browser.picture())
    browser.look(*WIDE)


def test_who_may_not_change_the_caps_is_told_so(daemon, url, browser, tools):
    enter(browser, url, KEYS["user"], tools.eventually)
    tools.eventually(lambda: "administrator" in browser.text("#caps-told"), "it is told")
    assert browser.run("return document.getElementById('caps-told').className") == "hint"
    assert browser.run("return document.querySelector('#caps button').matches(':disabled')")
    assert not browser.run("return document.getElementById('send').disabled")


def test_the_key_is_kept_in_this_tab_alone(daemon, url, browser, tools):
    enter(browser, url, KEYS["user"], tools.eventually)
    kept = "return [Object.values(sessionStorage), localStorage.length, document.cookie]"
    assert browser.run(kept) == [[KEYS["user"]], 0, ""]
    browser.click("#forget")
    tools.eventually(
        lambda: browser.run("return document.getElementById('key-dialog').open"), "it asks again"
    )
    assert browser.run("return sessionStorage.length") == 0


def test_a_key_that_no_header_can_hold_is_a_wrong_one(daemon, url, browser, tools):
    browser.open(url)
    asks = "return document.getElementById('key-dialog').open"
    tools.eventually(lambda: browser.run(asks), "it asks")
    browser.type("#key", "a key for 5 €")
    browser.click("#key-form button")
    tools.eventually(lambda: "not one of" in browser.text("#key-told"), "it is refused")


def test_a_new_conversation_has_nothing_of_one_that_was_broken_off(daemon, url, browser, tools):
    enter(browser, url, KEYS["user"], tools.eventually)
    browser.run(
        "window.asked = []; const real = fetch;"
        "window.fetch = (path, given) => {"
        "  if (given?.body) asked.push(JSON.parse(given.body).messages);"
        "  return real(path, given); };"
        "document.getElementById('words').value = 'Count to a hundred.';"
        "document.getElementById('ask').requestSubmit();"
        "document.getElementById('anew').click();"
    )
    ready = "return !document.getElementById('send').hidden"
    tools.eventually(lambda: browser.run(ready), "the first answer has ended")
    browser.type("#words", "Say yes.")
    browser.press("\ue007")  # Enter
    tools.eventually(lambda: browser.run("return asked.length") == 2, "it is asked")
    assert browser.run("return asked[1]") == [{"role": "user", "content": "Say yes."}]
    assert browser.run("return document.querySelectorAll('#log .you').length") == 1


HOSTILE = """\
# A <img src=x onerror=alert(1)> title

- one
  - [good](https://example.org/) and [bad](javascript:alert(1))

```js
let x = "<b>";
```

| a | b |
|---|---|
| 1 | **2** |
"""


def test_answers_are_markdown_and_never_html(daemon, url, browser, tools):
    enter(browser, url, KEYS["user"], tools.eventually)
    shown = browser.run(
        "return import('/ui/markdown.js').then(({ markdown }) => {"
        "  const box = document.createElement('div'); box.append(...markdown(arguments[0]));"
        "  return [box.innerHTML, box.querySelectorAll('img, script').length,"
        "          [...box.querySelectorAll('a')].map((a) => a.href)]; });",
        HOSTILE,
    )
    html, active, links = shown
    assert active == 0
    assert links == ["https://example.org/"]
    assert "<h3>A &lt;img" in html
    assert "<ul><li>one<ul><li>" in html
    assert "let x = " in html
    assert "<td><strong>2</strong></td>" in html


def test_a_chat_is_kept_edited_asked_again_and_forgotten(daemon, url, browser, tools):
    until = tools.eventually
    enter(browser, url, KEYS["user"], until)
    said = "return [...document.querySelectorAll('#log .you .words')].map((e) => e.textContent)"
    done = "return document.querySelectorAll('#log .model small').length"
    asking = "return document.getElementById('send').hidden"

    def ask(text: str, answers: int) -> None:
        browser.type("#words", text)
        browser.press("\ue007")  # Enter
        until(lambda: browser.run(done) == answers and not browser.run(asking), "it is answered")

    ask("Name a river.", 1)
    ask("And a lake.", 2)
    browser.open(url)
    until(lambda: live(browser), "the page is live again")
    assert browser.run(said) == ["Name a river.", "And a lake."]
    assert browser.run(done) == 2
    assert browser.violations() == []

    browser.click("#log .model:last-child .tools button:last-child")  # Again
    until(lambda: browser.run(asking) or browser.run(done) == 2, "it is asked again")
    until(lambda: not browser.run(asking) and browser.run(done) == 2, "and answered")

    browser.click("#log .you:nth-child(3) .tools button")  # Edit
    assert browser.value("#words") == "And a lake."
    ask("And a sea.", 2)
    assert browser.run(said) == ["Name a river.", "And a sea."]
    titles = "return [...document.getElementById('chats').options].map((o) => o.textContent)"
    assert browser.run(titles) == ["Name a river."] * 2  # the one before is kept beside it

    browser.click("#forget-chats")
    assert browser.run("return localStorage.length") == 0
    assert browser.run(said) == []
    browser.open(url)
    until(lambda: live(browser), "the page is live again")
    assert browser.run(said) == []


def test_charts_of_what_is_not_read_fold_into_a_sentence(make_daemon, browser, tools, tmp_path):
    (tmp_path / "nothing").mkdir()
    listen = f"127.0.0.1:{free_port()}"
    daemon = make_daemon(sensors={"root": str(tmp_path / "nothing")}, tcp={"listen": listen})
    try:
        browser.open(f"http://{listen}/")
        tools.eventually(lambda: live(browser), "the page is live")
        assert "Power and temperature are not read" in browser.text("#unread")
        charts = "return [...document.querySelectorAll('.chart')].some((e) => e.checkVisibility())"
        assert not browser.run(charts)
        assert browser.violations() == []
    finally:
        daemon.close()


def test_keys_of_the_keyboard_reach_everything(daemon, url, browser, tools):
    enter(browser, url, KEYS["admin"], tools.eventually)
    reached: list[str] = []
    browser.run("document.activeElement.blur()")
    for _ in range(16):
        browser.press("\ue004")  # Tab
        reached.append(browser.run("return document.activeElement.id"))
    wanted = ["forget", "log", "words", "model", "send", "anew", "cap-power", "cap-temp"]
    found = dict.fromkeys(reached)  # in order; it goes round
    assert [name for name in found if name in wanted] == wanted


def test_a_saved_report_shows_what_the_page_showed_without_the_daemon(
    daemon, browser, tools, tmp_path
):
    saved = tmp_path / "report.html"
    daemon.run("report", "--since", "10m", "--out", str(saved))
    browser.look(*NARROW)
    browser.open(saved.as_uri())
    tools.eventually(lambda: browser.text("#link").startswith("saved "), "it is shown")
    assert "Raspberry Pi 5" in browser.text("#board-name")
    assert browser.text("#power").endswith(" W")
    line = "return document.querySelector('#power-chart .line.power').getAttribute('d').length"
    assert browser.run(line) > 20
    shown = "return [...document.querySelectorAll('#ask, #caps')].some(e => e.offsetHeight)"
    assert not browser.run(shown), "what only a daemon answers is out"
    assert browser.violations() == []
    assert browser.logged() == []
