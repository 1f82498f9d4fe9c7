"""A headless Chromium, driven by its own protocol (chromedevtools.github.io/devtools-protocol)."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from datacentre.errors import CheckFailed, SourceUnavailable

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_START_SECONDS = 30.0
_POLL_SECONDS = 0.1
_local = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Page:
    """One tab of the browser."""

    def __init__(self, socket: ClientConnection):
        self._socket = socket
        self._last = 0

    def open(self, url: str) -> None:
        self._ask("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; raises CheckFailed when it throws."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise CheckFailed(f"the page can't run {script[:80]!r}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 30.0) -> None:
        """Return once the expression is true; raises CheckFailed with what the page shows instead."""
        deadline = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > deadline:
                shown = " ".join(str(self.run("document.body?.innerText")).split())
                raise CheckFailed(f"not so after {seconds:g} s: {script}; the page shows: {shown[:300]}")
            time.sleep(_POLL_SECONDS)

    def type(self, selector: str, text: str) -> None:
        """Type into a field as a keyboard does."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self._ask("Input.insertText", text=text)

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"]))

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(timeout=30))).get("id") != self._last:
            pass  # events of the page
        if "error" in answer:
            raise CheckFailed(f"the browser refuses {method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result


@contextmanager
def page(width: int, height: int) -> Iterator[Page]:
    """A tab of a browser with a profile of its own; both are gone afterwards.

    Raises SourceUnavailable where there is no browser.
    """
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        raise SourceUnavailable(f"no browser is installed: one of {', '.join(_PROGRAMS)} (apt-get install chromium)")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-proxy-server"]
        arguments += [f"--window-size={width},{height}", f"--user-data-dir={profile}", "--remote-debugging-port=0"]
        browser = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_address(Path(profile)), max_size=None, proxy=None) as socket:
                yield Page(socket)
        finally:
            browser.terminate()
            browser.wait()


def _address(profile: Path) -> str:
    """Where the browser's first tab is driven, once it says so."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            port = (profile / "DevToolsActivePort").read_text().split()[0]
            with _local.open(f"http://127.0.0.1:{port}/json", timeout=5) as answer:
                tabs = json.load(answer)
            return next(str(tab["webSocketDebuggerUrl"]) for tab in tabs if tab["type"] == "page")
        except (OSError, IndexError, StopIteration):
            time.sleep(_POLL_SECONDS)
    raise SourceUnavailable(f"the browser can't be driven {_START_SECONDS:.0f} s after its start")
