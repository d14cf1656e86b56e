"""A small driver of headless Chromium over its DevTools protocol, for tests of pages: real keys, real clicks, a real disk profile."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps",
    "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip
WAIT = 30  # seconds until a page that does nothing counts as stuck
# key -> (code, Windows key code, text)
NAMED = {
    "Tab": ("Tab", 9, ""), "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), " ": ("Space", 32, " "), "Delete": ("Delete", 46, ""),
    "Backspace": ("Backspace", 8, ""), "ArrowLeft": ("ArrowLeft", 37, ""), "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""), "ArrowDown": ("ArrowDown", 40, ""),
}  # fmt: skip


class Browser:
    """One running Chromium; `say` sends a DevTools command and returns its result, raising RuntimeError with Chromium's own words."""

    def __init__(self, process: subprocess.Popen, address: str):
        import websocket

        self.process = process
        self.socket = websocket.create_connection(address, timeout=WAIT, suppress_origin=True)
        self.count = 0
        self.events: list[dict] = []

    def say(self, method: str, session: str | None = None, **parameters: object) -> dict:
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters} | ({"sessionId": session} if session else {})))
        while True:
            heard = json.loads(self.socket.recv())
            if heard.get("id") == self.count:
                if "error" in heard:
                    raise RuntimeError(f"{method}: {heard['error']['message']}")
                return heard["result"]
            if "method" in heard:
                self.events.append(heard)

    def open(self, path: Path, width: int = 1280, height: int = 900, dark: bool = False, before: str = "") -> "Tab":
        """A new tab on a local file, loaded; `before` is JavaScript that runs before the page's own."""
        target = self.say("Target.createTarget", url="about:blank")["targetId"]
        tab = Tab(self, self.say("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.say(f"{domain}.enable")
        tab.looks(width, height, dark)
        if before:
            tab.say("Page.addScriptToEvaluateOnNewDocument", source=before)
        tab.go(path)
        return tab

    def hear(self, *methods: str) -> None:
        """Wait for an event of one of these names, or return at once where it has come already; raises TimeoutError."""
        end = time.monotonic() + WAIT
        while not any(event["method"] in methods for event in self.events):
            if time.monotonic() > end:
                raise TimeoutError(f"never came: {methods}")
            self.say("Browser.getVersion")
            time.sleep(0.01)

    def kill(self) -> None:
        """End Chromium and its children at once, as a power cut would; nothing gets a chance to be written."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Tab:
    """One page."""

    def __init__(self, browser: Browser, session: str):
        self.browser, self.session = browser, session

    def say(self, method: str, **parameters: object) -> dict:
        return self.browser.say(method, self.session, **parameters)

    def looks(self, width: int, height: int, dark: bool) -> None:
        self.say("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.say("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def go(self, path: Path) -> None:
        self.say("Page.navigate", url=Path(path).resolve().as_uri())
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def reload(self) -> None:
        self.run("window.old = true")
        self.say("Page.reload")
        self.until("!window.old && document.readyState === 'complete'")

    def run(self, code: str) -> object:
        """The value of an expression in the page; promises are awaited. Raises RuntimeError with the page's exception."""
        answer = self.say("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", answer["exceptionDetails"]["text"]))
        return answer["result"].get("value")

    def crash(self) -> None:
        """End the tab's process in the middle of whatever it does."""
        # a dead tab answers nothing, so nothing is waited for but the news of its end
        self.browser.socket.send(json.dumps({"id": 0, "method": "Page.crash", "sessionId": self.session}))
        self.browser.hear("Inspector.targetCrashed", "Target.targetCrashed")

    def front(self) -> None:
        """Bring this tab to the front; the others are hidden then."""
        self.say("Page.bringToFront")
        self.until("!document.hidden")

    def until(self, code: str) -> None:
        """Wait until an expression is true; raises TimeoutError after WAIT seconds."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            with contextlib.suppress(RuntimeError):  # a page that is just being replaced
                if self.run(f"Boolean({code})"):  # an element would come back as an empty object
                    return
            time.sleep(0.02)
        raise TimeoutError(f"never true: {code}")

    def press(self, keys: str | list[str], control: bool = False) -> None:
        """Real key events, one after the other: characters, or names such as "Tab"."""
        for key in keys:
            code, number, text = NAMED.get(key, (f"Key{key.upper()}" if key.isalpha() else "", ord(key[0].upper()), key))
            shared = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": 2 if control else 0}
            self.say("Input.dispatchKeyEvent", type="keyDown", **shared, **({"text": text} if text and not control else {}))
            self.say("Input.dispatchKeyEvent", type="keyUp", **shared)

    def write(self, text: str) -> None:
        """Text as an input method gives it, in one piece."""
        self.say("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """A real click in the middle of the first element that fits."""
        found = json.dumps(selector)
        spot = self.run(
            f"(() => {{ const one = document.querySelector({found}); one.scrollIntoView({{block: 'center'}});"
            " const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.say("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1)

    def choose_file(self, selector: str, path: Path) -> None:
        """What a file dialog does."""
        root = self.say("DOM.getDocument")["root"]["nodeId"]
        node = self.say("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.say("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def downloads_to(self, folder: Path) -> None:
        self.browser.say("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), eventsEnabled=True)

    def picture(self, path: Path, whole: bool = False) -> Path:
        """A screenshot as PNG, of the window or of the whole page."""
        data = self.say("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        Path(path).write_bytes(base64.b64decode(data))
        return path

    def own_events(self, method: str) -> list[dict]:
        return [event["params"] for event in self.browser.events if event["method"] == method and event.get("sessionId") == self.session]

    def complaints(self) -> list[str]:
        """Everything that the console would show as an error or a warning, and every exception nobody caught."""
        self.run("1")  # reads the events that wait
        thrown = [one["exceptionDetails"].get("exception", {}).get("description", "?") for one in self.own_events("Runtime.exceptionThrown")]
        called = [str(one["args"]) for one in self.own_events("Runtime.consoleAPICalled") if one["type"] in ("error", "warning", "assert")]
        logged = [one["entry"]["text"] for one in self.own_events("Log.entryAdded") if one["entry"]["level"] in ("error", "warning")]
        return thrown + called + logged

    def fetched(self) -> list[str]:
        """Addresses that the page asked for, its own file and data inside it aside."""
        self.run("1")
        asked = [one["request"]["url"] for one in self.own_events("Network.requestWillBeSent")]
        return [address for address in asked if not address.startswith(("file:", "data:", "about:", "blob:"))]


def _address(process: subprocess.Popen, profile: Path) -> str:
    """Where Chromium listens, as it writes it into its profile."""
    file = profile / "DevToolsActivePort"
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"Chromium ended at once with {process.returncode}")
        with contextlib.suppress(OSError, ValueError):
            port, path = file.read_text().split()
            return f"ws://127.0.0.1:{port}{path}"
        time.sleep(0.02)
    raise TimeoutError("Chromium never opened its DevTools port")


@contextlib.contextmanager
def browser(profile: Path | None = None) -> Iterator[Browser]:
    """A headless Chromium, with its data in `profile` (a new one without); the test is skipped where there is none."""
    name = next(filter(shutil.which, NAMES), None)
    if name is None:
        pytest.skip(f"no browser here: none of {', '.join(NAMES)} is on PATH")
    pytest.importorskip("websocket", reason="the package websocket-client, which jupyter_server brings, is not here")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        home = Path(profile or scratch)
        (home / "DevToolsActivePort").unlink(missing_ok=True)
        command = [name, *FLAGS, f"--user-data-dir={home}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            running = Browser(process, _address(process, home))
            try:
                yield running
            finally:
                running.socket.close()
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
