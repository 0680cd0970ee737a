"""What the side panel costs a page and how soon it answers, in Debian's Chromium without a screen.

JupyterLab starts with and without the extension by turns, each in an environment of its own and
each time in a browser that has seen nothing. All else is measured in one page, with real jobs:
a click until the frame that shows it, an event until the panel has drawn it, long lists.
"""

# ruff: noqa: ANN001, ANN201, PLR2004 - a script of measurements, its limits beside them
from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from table import Row, markdown

ROOT = Path(__file__).parents[1]
PACKAGES, RUNS, LINES = 500, 200, 1_000_000
EVENTS, CLICKS = 40, 10
AFTER_START_MS = 1500

#: Resolves when JupyterLab is there to be used, with milliseconds since the page was asked for.
RESTORED = """() => new Promise((done, fail) => {
  const look = () => window.jupyterapp
    ? window.jupyterapp.restored.then(() => done(performance.now()))
    : setTimeout(look, 1);
  look();
  setTimeout(() => fail(new Error('JupyterLab did not start within a minute')), 60000);
})"""

#: Clicks a button; resolves in the frame after the first change, with milliseconds.
CLICK = """name => new Promise(done => {
  const panel = document.getElementById('jupyter-containerize-panel');
  const begun = performance.now();
  new MutationObserver((_, seen) => {
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
  }).observe(panel, {subtree: true, childList: true, characterData: true, attributes: true});
  panel.querySelector(`[data-name="${name}"]`).click();
})"""

#: A cell that lasts until a file is there; not in a container, whose image need not have it.
UNTIL_GO = """import os, time
while not os.path.exists('go.txt') and not os.path.exists('/opt/jupyter-containerize'):
    time.sleep(0.1)
print('went on')"""

#: Notes for each title `event N` when the panel first shows it.
NOTE = """() => {
  window.noted = {};
  new MutationObserver(() => {
    for (const [, number] of document.getElementById('jupyter-containerize-panel')
        .textContent.matchAll(/event (\\d+);/g)) {
      window.noted[number] ??= Date.now();
    }
  }).observe(document.getElementById('jupyter-containerize-panel'),
             {subtree: true, childList: true, characterData: true});
}"""


def module(name):
    """Load tests/<name>.py: test folders are no packages."""
    spec = importlib.util.spec_from_file_location(
        f"containerize_{name}", ROOT / "tests" / f"{name}.py"
    )
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]


browser, side_panel = module("browser"), module("side_panel")
EXPOSED = ("--LabApp.expose_app_in_browser=True",)


def say(what):
    """Tell on standard error how far it is: all of it takes some minutes."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def milliseconds(value):
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def p95(values):
    return sorted(values)[int(0.95 * (len(values) - 1) + 0.5)]


def at_most(what, value, limit, note=""):
    return Row(what, milliseconds(value) + note, target=f"≤ {limit} ms", met=value <= limit)


# -- the start ----------------------------------------------------------------------------


def started(chromium, server):
    """Return the milliseconds until JupyterLab is usable, in a new browser window."""
    with browser.pages(chromium) as make:
        page = make().page
        page.goto(f"{server.url}/lab?token={browser.TOKEN}&reset", wait_until="commit")
        first = page.evaluate(RESTORED)
        page.wait_for_timeout(AFTER_START_MS)  # it polls, so its network is never idle for sure
        page.reload(wait_until="commit")
        return first, page.evaluate(RESTORED)


def starts(chromium, place, wheel, rounds):
    """Measure JupyterLab's start with and without the extension, by turns."""
    times = {"without": [], "with": []}
    pythons = {
        "without": side_panel.new_environment(place / "without"),
        "with": side_panel.new_environment(place / "with", wheel),
    }
    for name, python in pythons.items():
        subprocess.run([python, "-m", "compileall", "-q", str(place / name / "lib")], check=False)
    folders = {name: place / f"root-{name}" for name in pythons}
    for folder in folders.values():
        folder.mkdir()
    python = pythons["without"]
    with (
        browser.front_end(python, folders["without"], arguments=EXPOSED) as bare,
        browser.front_end(pythons["with"], folders["with"], arguments=EXPOSED) as ours,
    ):
        servers = {"without": bare, "with": ours}
        for server in servers.values():
            started(chromium, server)  # the server's first answers are slow
        for number in range(rounds):
            order = list(servers) if number % 2 == 0 else list(servers)[::-1]
            for name in order:
                times[name].append(started(chromium, servers[name]))
            say(f"start {number + 1} of {rounds}, each side")
    return [
        start_row(
            f"JupyterLab's start, {what}", [[one[at] for one in times[name]] for name in times]
        )
        for at, what in enumerate(("nothing in the browser's cache", "opened again"))
    ], pythons["with"]


def start_row(what, sides):
    without, ours = (statistics.median(one) for one in sides)
    added = statistics.median(b - a for a, b in zip(*sides, strict=True))
    spread = max(sides[0]) - min(sides[0])
    return Row(
        what,
        f"{ours:.0f} ms",
        f"without: {without:.0f} ms (spread {spread:.0f} ms, {len(sides[0])} starts each)",
        f"{added:+.0f} ms",
        "≤ + 100 ms",
        added <= 100,
    )


# -- the panel ----------------------------------------------------------------------------


def many_packages(python):
    """Put distributions of one module each into an environment; return cells that import them."""
    words = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    site = Path(told.stdout.strip())
    names = [f"bench_part{number:03}" for number in range(PACKAGES)]
    for name in names:
        (site / f"{name}.py").write_text(f"NAME = {name!r}\n")
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name}.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    return "\n".join(f"import {name}" for name in names) + "\nprint('imported')"


def feedback(view):
    """Return the milliseconds from clicks on the main button to the frame that shows them."""
    found = []
    for _ in range(CLICKS):
        found.append(view.page.evaluate(CLICK, "build"))
        view.tab.until(lambda: view.button("cancel").is_enabled(), "the job has begun")
        found.append(view.page.evaluate(CLICK, "cancel"))
        view.ended()
    return found


def events(view, server, go):
    """Return the milliseconds from events in a job's file to the panel that shows them."""
    view.build()
    view.node.get_by_text("Running the notebook").wait_for()
    view.page.evaluate(NOTE)
    path = max((server.store / "jobs").glob("*/events"))
    written = {}
    for number in range(EVENTS):
        event = {"is": "step-started", "step": "bench", "title": f"event {number};"}
        with path.open("a") as file:
            written[number] = time.time()
            file.write(json.dumps(event) + "\n")
        view.page.wait_for_timeout(90 + 7 * (number % 11))
    view.tab.until(lambda: len(view.page.evaluate("noted")) == EVENTS, "all events are shown")
    noted = view.page.evaluate("noted")
    go.touch()
    view.verdict()
    return [noted[str(number)] - 1000 * at for number, at in written.items()]


def list_rows(what, told):
    """Return the rows about a list that was scrolled through."""
    return [
        Row(
            f"{what}: rows in the page", str(told["rows"]), target="≤ 200", met=told["rows"] <= 200
        ),
        at_most(f"{what}: scroll handler, p95", told["p95"], 8),
        Row(f"{what}: until the rows are drawn, p95", milliseconds(told["drawn"])),
    ]


def packages(view, server, python):
    source = many_packages(python)
    server.save("packages.ipynb", [source])
    view.open(server.address("packages.ipynb"))
    view.tab.run(0)
    view.view("Notebook")
    view.button("plan").click()
    listed = view.node.get_by_role("region", name="Packages (")
    listed.wait_for(timeout=side_panel.BUILD_S * 1000)
    count = int(re.sub(r"\D", "", listed.get_attribute("aria-label")))
    assert count >= PACKAGES, count
    return list_rows(f"{count} packages", listed.evaluate(side_panel.SCROLL))


def runs(view, server):
    """Measure the list of many runs, and a long log."""
    side_panel.many_runs(server.store, view.run_id(), RUNS, LINES)
    view.reload()
    view.view("Runs")
    newest = view.node.locator(f'[data-run="many{RUNS - 1:04}"]')
    newest.wait_for()
    listed = view.node.get_by_role("region", name="Runs", exact=True)
    found = list_rows(f"{RUNS} runs", listed.evaluate(side_panel.SCROLL))
    listed.evaluate("element => { element.scrollTop = 0 }")
    begun = time.perf_counter()
    newest.first.click()
    view.node.get_by_text(f"line {LINES - 1} of the log").wait_for()
    shown_s = time.perf_counter() - begun
    log = view.node.get_by_role("region", name=f"Log, {LINES} lines")
    found += list_rows(f"a log of {LINES:,} lines", log.evaluate(side_panel.SCROLL))
    view.node.get_by_role("searchbox").fill("line 500123 of")
    begun = time.perf_counter()
    view.page.keyboard.press("Enter")
    view.node.get_by_text("line 500123 of the log").wait_for()
    search_s = time.perf_counter() - begun
    return [
        *found,
        Row(f"a log of {LINES:,} lines: click until its end is shown", f"{shown_s:.2f} s"),
        Row(f"a log of {LINES:,} lines: search until the match is shown", f"{search_s:.2f} s"),
    ]


def size_row():
    static = ROOT / "jupyter_containerize" / "labextension" / "static"
    size = sum(len(gzip.compress(path.read_bytes(), 9)) for path in static.glob("*.js"))
    return Row(
        "the panel, minified, gzip", f"{size / 1000:.1f} kB", target="≤ 150 kB", met=size <= 150_000
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="starts of JupyterLab, each side")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="containerize-bench-") as folder,
        browser.chromium() as chromium,
    ):
        place = Path(folder)
        wheel = side_panel.make_wheel(place)
        rows, python = starts(chromium, place, wheel, options.rounds)
        rows.append(size_row())
        kernels = side_panel.new_environment(place / "kernels")
        root = place / "root"
        root.mkdir()
        with (
            browser.front_end(python, root, kernel=kernels) as server,
            browser.pages(chromium) as make,
        ):
            view = side_panel.Panel(make(width=1400, height=950))
            server.save("clicks.ipynb", [side_panel.until_told(server.folder / "never.txt")])
            view.open(server.address("clicks.ipynb"))
            say("clicks")
            clicks = feedback(view)
            note = f" at the slowest of {len(clicks)}, median {statistics.median(clicks):.0f} ms"
            rows.append(at_most("click to the frame that shows it", max(clicks), 100, note))
            server.save("events.ipynb", [UNTIL_GO])
            view.open(server.address("events.ipynb"))
            say("events")
            late = events(view, server, root / "go.txt")
            note = f" at the slowest of {len(late)}, median {statistics.median(late):.0f} ms"
            rows.append(at_most("event of a job to the panel", max(late), 250, note))
            say("many runs, and a long log")
            rows += runs(view, server)
            say("many packages")
            rows += packages(view, server, kernels)
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after\n")
    print(markdown(rows))


if __name__ == "__main__":
    main()
