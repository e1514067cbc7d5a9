"""A headless Chromium, driven by chromedriver over WebDriver (https://www.w3.org/TR/webdriver2/)."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_core_python
import httpx

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element in documents
_AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
_CHROMIUM = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
_CHROMIUM += ["--hide-scrollbars"]


class Browser:
    """One window; elements are named by CSS selectors."""

    def __init__(self, http: httpx.Client, folder: Path) -> None:
        self._http = http
        arguments = [*_CHROMIUM, f"--user-data-dir={folder}", "--window-size=1200,900"]
        options = {
            "goog:chromeOptions": {"args": arguments, "binary": shutil.which("chromium")},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        told = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self._session = f"/session/{told['sessionId']}"

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, path, json=body)
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    def _post(self, path: str, **body: Any) -> Any:
        return self._ask("POST", self._session + path, body)

    def _element(self, selector: str) -> str:
        found = self._post("/element", using="css selector", value=selector)
        return f"/element/{found[_ELEMENT]}"

    def open(self, url: str) -> None:
        """Load a page."""
        self._post("/url", url=url)

    def run(self, script: str, *arguments: Any) -> Any:
        """The result of a function body."""
        return self._post("/execute/sync", script=script, args=list(arguments))

    def text(self, selector: str) -> str:
        """The text that is shown of an element."""
        path = self._session + self._element(selector) + "/text"
        return self._ask("GET", path)

    def value(self, selector: str) -> str:
        """Return what is in a field."""
        return self.run("return document.querySelector(arguments[0]).value", selector)

    def click(self, selector: str) -> None:
        """Click an element as a person does, who has to see it."""
        self._post(self._element(selector) + "/click")

    def type(self, selector: str, text: str) -> None:
        """Press keys in a field, in place of what is in it."""
        element = self._element(selector)
        self._post(element + "/clear")
        self._post(element + "/value", text=text)

    def press(self, key: str) -> None:
        """Press and release one key where the focus is."""
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self._post("/actions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def look(self, width: int, height: int, scheme: str = "light") -> None:
        """Have the window of that size, on a device with that colour scheme."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._devtools("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._devtools("Emulation.setEmulatedMedia", {"features": features})

    def _devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._post("/goog/cdp/execute", cmd=command, params=parameters)

    def picture(self) -> bytes:
        """A PNG of what the window shows."""
        return base64.b64decode(self._ask("GET", f"{self._session}/screenshot"))

    def logged(self) -> list[str]:
        """Return what the console has got since the last call."""
        told = self._post("/se/log", type="browser")
        return [f"{entry['level']}: {entry['message']}" for entry in told]

    def violations(self) -> list[str]:
        """Return what axe finds to be a barrier, with the elements."""
        self.run(_AXE.read_text() + "\nwindow.axe = axe;")
        found = self._post(
            "/execute/async",
            script="axe.run().then(arguments[0], (error) => arguments[0]({error: String(error)}))",
            args=[],
        )
        return [
            f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']]}"
            for one in found["violations"]
        ]

    def close(self) -> None:
        """End the browser."""
        self._ask("DELETE", self._session)


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser with its profile in `folder`, while the block runs."""
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        assert driver.stdout is not None
        said = (re.search(r"on port (\d+)", line) for line in driver.stdout)
        port = next(found[1] for found in said if found and found[1] != "0")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
            browser = Browser(http, folder)
            try:
                yield browser
            finally:
                browser.close()
    finally:
        driver.terminate()
        driver.wait(30)
