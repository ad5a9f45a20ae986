"""Does the page work in a real browser? Chromium, headless, through its debugging pipe: no network, no
driver.

Observed: every request the page makes, every console message and exception, whether pictures load, and
whether anything sticks out at 1280 and at 400 px. COVERIFY_SCREENSHOTS=DIR keeps the screenshots.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coverify.report import Query, Result, Values, write_result
from coverify.report.folder import make_report

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
LIMIT_S = 60.0
CONTRAST = """[...document.querySelectorAll('%s')].map(e => {
  const rgb = c => c.match(/[\\d.]+/g).map(Number);
  const lum = c => rgb(c).slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  let b = e; while (rgb(getComputedStyle(b).backgroundColor)[3] === 0) b = b.parentElement;
  const both = [lum(getComputedStyle(e).color), lum(getComputedStyle(b).backgroundColor)];
  const [x, y] = both.sort((p, q) => q - p);
  return (x + .05) / (y + .05); })"""
"""For each element of a selector (%s), its contrast to what is behind it."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium installed")


class Browser:
    """One Chromium with one page, driven by DevTools messages (JSON, each ended by a zero byte)."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        commands, self._commands = os.pipe()
        self._replies, replies = os.pipe()
        # the pipe is fixed at descriptors 3 (in) and 4 (out): the shell puts ours there
        script = f'exec 3<&{commands} 4>&{replies}; exec "$@"'
        self._process = subprocess.Popen(
            [
                "/bin/bash",
                "-c",
                script,
                "bash",
                CHROMIUM,
                *FLAGS,
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            pass_fds=(commands, replies),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(commands)
        os.close(replies)
        self._buffer, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of one command; events that come meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + LIMIT_S
        while (reply := self._read(deadline)).get("id") != self._number:
            self.events.append(reply)
        assert "error" not in reply, reply
        result: dict[str, Any] = reply["result"]
        return result

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._replies], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError("Chromium does not answer")
            data = os.read(self._replies, 1 << 20)
            if not data:
                raise EOFError("Chromium ended")
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        event: dict[str, Any] = json.loads(message)
        return event

    def open(self, path: Path) -> None:
        """Load a file and wait for the load event."""
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        deadline = time.monotonic() + LIMIT_S
        while not self.of("Page.loadEventFired"):
            self.events.append(self._read(deadline))

    def of(self, *methods: str) -> list[dict[str, Any]]:
        """Parameters of the events of some kinds."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is in the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def resize(self, width: int, dark: bool = False) -> None:
        """Make the window that wide."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=scheme)

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End Chromium and everything it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._commands)
        os.close(self._replies)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture
def page(browser: Browser, loop: Path) -> Browser:
    browser.open(make_report(loop).html)
    return browser


def test_the_page_asks_for_nothing_but_itself(page: Browser, loop: Path) -> None:
    asked = [request["request"]["url"] for request in page.of("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [(loop / "report.html").as_uri()]


def test_the_console_stays_empty(page: Browser) -> None:
    page.value("1")
    assert page.of("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown") == []


def test_every_counterexample_shows_three_pictures_that_load(page: Browser) -> None:
    sizes = page.value(
        "[...document.images].map(i => [i.complete, i.naturalWidth, i.naturalHeight, i.alt.length > 8])"
    )
    # 8 × 8 values, enlarged to at least 224 pixels
    assert sizes == [[True, 224, 224, True]] * 9


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_sticks_out_of_the_window(page: Browser, width: int, dark: bool) -> None:
    page.resize(width, dark)
    if os.environ.get("COVERIFY_SCREENSHOTS"):
        page.screenshot(
            Path(os.environ["COVERIFY_SCREENSHOTS"]) / f"{width}-{'dark' if dark else 'light'}.png"
        )
    assert page.value("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1280, 400])
def test_tables_of_few_values_stay_in_their_cards(browser: Browser, tmp_path: Path, width: int) -> None:
    """A wide table scrolls in its own frame; in a wide window none has to."""
    values = Values(base=(-128,) * 20, counterexample=(-128,) * 9 + (127,) * 11, scale=0.001, zero_point=-3)
    row = Query(
        index=0, eps=255, verdict="VIOLATED", engine="attack", time_s=1.0, label=11, predicted=10,
        inputs=values, outputs=values,
    )  # fmt: skip
    write_result(tmp_path, Result(verb="verify", verdict="VIOLATED", queries=(row,)))
    browser.open(make_report(tmp_path).html)
    browser.resize(width, False)
    assert browser.value("document.documentElement.scrollWidth") <= width
    over = "[...document.querySelectorAll('.gallery .scroll')].map(e => e.scrollWidth > e.clientWidth)"
    scrolls = browser.value(over)
    assert len(scrolls) == 4  # features, outputs, each with what did not change
    assert width < 1280 or not any(scrolls)
    for dark in (False, True):
        browser.resize(width, dark)
        tags = browser.value(CONTRAST.replace("%s", ".tag"))
        assert len(tags) == 2 and min(tags) >= 4.5


def test_text_stands_out_from_its_background(page: Browser) -> None:
    """Contrast of every verdict pill, as WCAG 2 computes it: at least 4.5, light and dark."""
    for dark in (False, True):
        page.resize(1280, dark)
        ratios = page.value(CONTRAST.replace("%s", ".pill, .verdict, .quiet"))
        assert len(ratios) > 20
        assert min(ratios) >= 4.5
