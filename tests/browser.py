"""Real front ends (JupyterLab, Notebook 7, Voila) and a real browser, for tests that click.

The front ends run from the environment `browser`, kernels from any other: the kernelspec
`tests` starts the Python that is asked for. Fixtures in conftest.py: `chromium`, `front_end`.

These share two cores with engines and builds: every wait is for a state and for `WAIT_S`, which
is no promise to users. When a test fails, what its pages show and what its servers logged is
in `.artifacts/` and in pytest's report (`evidence`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

CHROMIUM = os.environ.get("CONTAINERIZE_CHROMIUM") or shutil.which("chromium")
TOKEN = "containerize-tests"
ROOT = Path(__file__).resolve().parent.parent
ARTIFACTS = ROOT / ".artifacts"
#: How long a state may take to come: these tests measure nothing with it.
WAIT_S = 180
_SHOWN = 4000
_PAGES: list[Page] = []
_SERVERS: list[FrontEnd] = []


def evidence(name):
    """Keep what the open pages show and the running servers logged; return it as text, by title."""
    ARTIFACTS.mkdir(exist_ok=True)
    found = []
    for number, page in enumerate(one for one in _PAGES if not one.page.is_closed()):
        with contextlib.suppress(Error):  # a page that crashed must not hide why the test failed
            page.page.screenshot(path=ARTIFACTS / f"failed-{name}-{number}.png", timeout=20_000)
            (ARTIFACTS / f"failed-{name}-{number}.html").write_text(page.page.content())
            text = page.page.evaluate("document.body.innerText")
            found.append((f"page {number} of {name}", f"{page.page.url}\n{text[-_SHOWN:]}"))
            found.append((f"console of page {number}", "\n".join(page.console)[-_SHOWN:]))
    for number, server in enumerate(_SERVERS):
        log = (server.folder / ".server.log").read_text(errors="replace")
        (ARTIFACTS / f"failed-{name}-server-{number}.log").write_text(log)
        found.append((f"log of server {number}", log[-_SHOWN:]))
    return found


@contextlib.contextmanager
def pages(chromium):
    """Give `make(width=…, height=…)`, which opens a page in a browser window of its own."""
    contexts, before = [], len(_PAGES)

    def make(width=1300, height=1000, **settings):
        viewport = {"width": width, "height": height}
        context = chromium.new_context(viewport=viewport, accept_downloads=True, **settings)
        contexts.append(context)
        _PAGES.append(Page(context.new_page()))
        return _PAGES[-1]

    try:
        yield make
    finally:
        del _PAGES[before:]
        for context in contexts:
            context.close()


@contextlib.contextmanager
def chromium():
    """A headless browser, driven by Playwright."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


class FrontEnd:
    """A running server: `url` of its root, `folder` that it serves, `store` of its kernels."""

    def __init__(self, url, folder, store, start):
        self.url, self.folder, self.store = url, folder, store
        self._start = start
        self._process = None

    def start(self):
        """Start it (again) and wait until it answers."""
        self._process = self._start()
        _wait_for(
            f"{self.url}/api/status?token={TOKEN}", self._process, self.folder / ".server.log"
        )
        return self

    def kill(self):
        """End it at once, as when its machine is switched off; kernels and workers live on."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        """End it as its user does."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def address(self, path, app="lab"):
        """The address of a notebook in `lab`, `notebook` or `voila`."""
        middle = {"lab": "lab/tree", "notebook": "notebooks", "voila": "voila/render"}[app]
        fresh = "&reset" if app == "lab" else ""  # no tab of another test comes back
        return f"{self.url}/{middle}/{path}?token={TOKEN}{fresh}"

    def stop_kernels(self):
        """End every session."""
        sessions = json.load(urllib.request.urlopen(f"{self.url}/api/sessions?token={TOKEN}"))
        for session in sessions:
            address = f"{self.url}/api/sessions/{session['id']}?token={TOKEN}"
            urllib.request.urlopen(urllib.request.Request(address, method="DELETE"))

    def save(self, name, sources, *, outputs=None, kernel="tests"):
        """Write a notebook with these cells (texts, or pairs of text and tags)."""
        cells = []
        for number, source in enumerate(sources):
            text, tags = source if isinstance(source, tuple) else (source, [])
            cells.append(
                {
                    "cell_type": "code",
                    "id": f"cell-{number}",
                    "metadata": {"tags": tags} if tags else {},
                    "source": text,
                    "outputs": (outputs or {}).get(number, []),
                    "execution_count": None,
                }
            )
        document = {
            "cells": cells,
            "metadata": {"kernelspec": {"name": kernel, "display_name": kernel}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
        return path


@contextlib.contextmanager
def front_end(python, folder, *, kernel=sys.executable, settings=None, arguments=(), **variables):
    """Start a server of the environment of `python` on `folder`, on loopback.

    `kernel` is the Python of the kernelspec `tests`; `settings` are JupyterLab's, by plugin.
    """
    folder = Path(folder)
    home, place = folder / ".home", folder / ".kernels"
    spec = place / "kernels" / "tests"
    spec.mkdir(parents=True)
    home.mkdir()
    (spec / "kernel.json").write_text(
        json.dumps(
            {
                "argv": [kernel, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "display_name": "Tests",
                "language": "python",
            }
        )
    )
    for plugin, values in {**_QUIET, **(settings or {})}.items():
        path = home / ".jupyter" / "lab" / "user-settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    store = folder / ".store"
    port = _free_port()
    # With pytest's variable ipykernel would not record what C code prints.
    inherited = {name: os.environ[name] for name in os.environ if name != "PYTEST_CURRENT_TEST"}
    environment = {
        **inherited,
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / ".jupyter"),
        "JUPYTER_DATA_DIR": str(home / ".data"),
        "JUPYTER_RUNTIME_DIR": str(home / ".runtime"),
        "JUPYTER_PATH": str(place),
        "JUPYTER_CONTAINERIZE_STORE": str(store),
        **variables,
    }
    command = [
        *(Path(python).parent / "jupyter", "lab", "--no-browser", "--allow-root"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *arguments,
    ]

    def start():
        with (folder / ".server.log").open("a") as log:
            return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    started = FrontEnd(f"http://127.0.0.1:{port}", folder, store, start)
    _SERVERS.append(started)
    try:
        yield started.start()
    finally:
        _SERVERS.remove(started)
        started.stop()


#: Nothing pops up, and nothing asks the network for news.
_QUIET = {
    "@jupyterlab/apputils-extension/notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosaveInterval": 3600},
}


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url, server, log, timeout_s=WAIT_S):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, OSError):
            if urllib.request.urlopen(url, timeout=5).status == 200:
                return
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise AssertionError(f"the server does not answer:\n{log.read_text()[-3000:]}")


def barriers(page, selector):
    """What axe finds wrong with an element for people who do not see or do not use a mouse."""
    axe = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
    page.page.evaluate(axe.read_text())
    found = page.page.evaluate("selector => axe.run(selector)", selector)
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"][:2]
    ]


def _bytes(frame):
    return frame if isinstance(frame, bytes) else frame.encode()


class Page:
    """A notebook open in JupyterLab or Notebook 7."""

    def __init__(self, page):
        self.page = page
        self.console = []
        page.set_default_timeout(WAIT_S * 1000)
        page.on("console", lambda said: self.console.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"))

    def open(self, address):
        """Go to a notebook and wait until its kernel has answered: keys before that are lost."""
        answers = []

        def watch(socket):
            socket.on(
                "framereceived",
                lambda frame: b"kernel_info_reply" in _bytes(frame) and answers.append(frame),
            )

        self.page.on("websocket", watch)
        self.page.goto(address)
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.until(lambda: answers, "the kernel answers")

    def until(self, condition, what, timeout_s=WAIT_S):
        """Wait until `condition()` is true, with the browser at work."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, f"in vain: {what}"
            self.page.wait_for_timeout(50)

    def cell(self, number):
        """The code cell with this number, from 0."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def run(self, number, *, wait=True):
        """Execute a cell as a user does: click into it, Ctrl+Enter."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        if wait:
            self.wait_until_ran(number)

    def wait_until_ran(self, number):
        prompt = self.cell(number).locator(".jp-InputPrompt")
        pattern = re.compile(r"\[\d+\]")
        self.until(lambda: pattern.search(prompt.inner_text()), f"cell {number} ends")

    def save(self):
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Control+s")

    def shot(self, name):
        """Keep a screenshot to look at."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")
