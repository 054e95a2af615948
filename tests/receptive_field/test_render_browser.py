"""The page in a real browser: the mouse moves, the page answers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from wavestack.receptive_field import analyze
from wavestack.receptive_field.effective import effective_receptive_field

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *(
        "--remote-debugging-pipe",
        "--window-size=1280,1400",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ),
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


class Browser:
    """Chromium over the pipe form of the DevTools protocol: JSON messages that end in a NUL."""

    def __init__(self, folder: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        words = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder}"]
        # The browser reads descriptor 3 and writes descriptor 4.
        script = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "chromium", *words],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self.requests: list[str] = []
        self.problems: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    _session: str | None = None

    def call(self, method: str, **parameters: object) -> dict:
        self._number += 1
        message: dict = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("method") == "Runtime.exceptionThrown":
                self.problems.append(str(answer["params"]["exceptionDetails"]))

    def _read(self) -> dict:
        while b"\0" not in self._buffer:
            chunk = os.read(self._in, 1 << 16)
            if not chunk:
                raise RuntimeError("the browser has gone")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    def run(self, script: str) -> object:
        return self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )["result"].get("value")

    def open(self, file: Path) -> None:
        self.requests.clear()
        self.call("Page.navigate", url=file.as_uri())
        self.until("document.documentElement.dataset.ready === 'yes'")

    def until(self, script: str) -> None:
        end = time.monotonic() + 20
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script} ({self.problems})"
            time.sleep(0.02)

    def move(self, selector: str, across: float, down: float) -> None:
        """Move the mouse to a point of an element, given as shares of its width and height."""
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = json.loads(
            str(
                self.run(
                    f"JSON.stringify(document.querySelector({selector!r}).getBoundingClientRect())"
                )
            )
        )
        x, y = box["x"] + across * box["width"], box["y"] + down * box["height"]
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({selector!r}).click()")

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({selector!r}).innerText"))

    def close(self) -> None:
        with contextlib.suppress(Exception):
            os.write(self._out, b'{"id":0,"method":"Browser.close"}\0')
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


class Causal(nn.Module):
    """Four causal layers of kernel 2: the figure of the WaveNet paper."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(1, 1, 2, dilation=2**i) for i in range(4))

    def forward(self, x):
        for layer in self.layers:
            x = layer(nn.functional.pad(x, (layer.dilation[0], 0)))
        return x


@pytest.fixture(scope="module")
def wave_page(tmp_path_factory):
    model, x = Causal(), torch.randn(1, 1, 64)
    report = analyze(model, x, sample_rate=16_000)
    effective = effective_receptive_field(model, x, report=report)
    return report.to_html(tmp_path_factory.mktemp("page") / "wave.html", effective)


@pytest.fixture(scope="module")
def image_page(tmp_path_factory):
    layers = [nn.Conv2d(1, 1, 3, padding=d, dilation=d) for d in (2, 4)]
    model, x = nn.Sequential(*layers), torch.randn(1, 1, 40, 40)
    report = analyze(model, x)
    effective = effective_receptive_field(model, x, report=report)
    return report.to_html(tmp_path_factory.mktemp("page") / "image.html", effective)


def test_mouse_over_the_tree_names_the_inputs_of_the_dot_under_it(browser, wave_page):
    browser.open(wave_page)
    assert "16 samples = 1.00 ms, causal" in browser.text("h1")
    assert "reads 16 samples" in browser.text("#tree-readout")
    seen = {}
    for step in range(16):  # down from the output to the input
        browser.move("#tree-canvas", 0.9, 0.04 + 0.04 * step)
        browser.until("new Promise(done => requestAnimationFrame(() => done(true)))")
        text = browser.text("#tree-readout")
        seen[text.split(" at ")[0]] = text
    assert "reads 4 samples" in seen["layers.1"]
    assert "reads 8 samples" in seen["layers.2"]
    assert any(name.startswith("Input") for name in seen)
    browser.move("h1", 0.1, 0.5)
    browser.until("document.getElementById('tree-readout').innerText.includes('16 samples')")


def test_the_tree_that_the_page_draws_is_the_calculators(browser, wave_page):
    browser.open(wave_page)
    script = """JSON.stringify((() => {
        const levels = DATA.tree.levels;
        let items = new Set([20]);
        for (const l of [...levels].reverse()) {
            const next = new Set();
            for (const p of items) for (const o of l.offsets[0]) next.add(p * l.shift + o);
            items = next;
        }
        return [...items].sort((a, b) => a - b);
    })())"""
    report = analyze(Causal(), torch.zeros(1, 1, 64))
    expected = report.depends_on(20, clipped=False)["T"].tolist()
    assert json.loads(str(browser.run(script))) == expected


def test_layer_table_sorts_folds_and_filters(browser, wave_page):
    browser.open(wave_page)
    rows = "document.querySelectorAll('#layer-table tbody tr').length"
    count = int(str(browser.run("REPORT.layers.length")))
    assert browser.run(rows) == count + 1  # and the folder of the four layers
    browser.click("#layer-table tr.group")
    assert browser.run(rows) == count - 3
    browser.click("#unfold")
    browser.click("#layer-table th[data-column='5']")
    first = "document.querySelector('#layer-table tbody tr td').innerText"
    assert browser.run(first) == "layers.3"
    browser.click("#layer-table th[data-column='5']")
    assert browser.run(first) == "layers.0"
    browser.run(
        "const f = document.getElementById('filter'); f.value = 'layers.2';"
        "f.dispatchEvent(new Event('input'))"
    )
    assert browser.run(rows) == 1


def test_mouse_over_the_plane_tells_holes_from_used_pixels(browser, image_page):
    browser.open(image_page)
    assert "13 \N{MULTIPLICATION SIGN} 13 pixels" in browser.text("h1")
    assert "49 of 169" in browser.text("#plane-readout")
    browser.move("#plane-canvas", 0.5, 0.5)
    seen = set()
    for step in range(24):
        browser.move("#plane-canvas", 0.5 + step * 0.004, 0.5)
        text = browser.text("#plane-readout")
        seen |= {word for word in ("a hole", "used") if word in text}
    assert seen == {"a hole", "used"}
    assert "95 % in" in browser.text("#heat-readout")
    browser.move("#heat-canvas", 0.5, 0.5)
    browser.until("document.getElementById('heat-readout').innerText.includes('of the peak')")


def test_pages_ask_the_network_for_nothing_and_raise_nothing(browser, wave_page, image_page):
    for page in (wave_page, image_page):
        browser.open(page)
        browser.click("#theme")
        assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
    assert browser.problems == []
