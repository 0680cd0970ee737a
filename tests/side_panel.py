"""The side panel beside a notebook, as tests and benchmarks drive it; what they need around it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
_OF_NODE = re.compile("node|npm|npx|yarn|corepack")
UV = [sys.executable, "-m", "uv"]
VERDICT = '[data-code^="verdict-"]'
#: What capture, build and run together may take on a busy machine.
BUILD_S = 400


def make_wheel(folder, source=ROOT, **variables):
    """Build the wheel as a release has it: from this checkout and its built panel, or from `source`."""
    subprocess.run(
        [*UV, "build", "--python", sys.executable, "--wheel", "-o", str(folder), str(source)],
        check=True, env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return next(Path(folder).glob("*.whl"))


def without_node(folder):
    """Make a folder of this machine's programs, all but Node.js; return a PATH of it."""
    folder.mkdir()
    for path in (one for place in ("/usr/bin", "/bin") for one in Path(place).iterdir()):
        if not _OF_NODE.match(path.name) and not (folder / path.name).is_symlink():
            (folder / path.name).symlink_to(path)
    assert shutil.which("node", path=folder) is None
    return str(folder)


def new_environment(folder, *wheels):
    """Make an environment as a user has it, JupyterLab, Notebook and these wheels, without Node.js."""
    python = Path(folder) / "bin" / "python"
    subprocess.run([*UV, "venv", "-q", "--clear", str(folder)], check=True)
    subprocess.run(
        [*UV, "pip", "install", "-q", "--python", str(python), *map(str, wheels), "jupyterlab",
         "notebook", "ipykernel"],
        check=True, env={**os.environ, "PATH": "/nonexistent"},
    )  # fmt: skip
    return str(python)


def user_environment(folder, wheel):
    """Make an environment as the README tells a user who has nothing; return its variables too.

    By `venv`, `pip` and the README's own words; in a world without Node.js. Bytecode comes with the
    first import: compiling it all here would cost the gate as much again.
    """
    [words] = re.findall(r"pip install '(jupyter-containerize)(\[lab\])'", README.read_text())
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    programs = without_node(Path(folder) / "programs")
    variables = {"PATH": f"{folder}/bin:{programs}", "VIRTUAL_ENV": str(folder)}
    subprocess.run(
        ["pip", "install", "-q", "--no-compile", f"{wheel}{words[1]}"],
        check=True, env={**os.environ, **variables}, executable=f"{folder}/bin/pip",
    )  # fmt: skip
    return str(Path(folder) / "bin" / "python"), variables


#: The oldest of everything that is declared to work (`labextension/package.json`, `pyproject.toml`),
#: of the summer of 2023. Notebook 7.0.0 is made of JupyterLab 4.0.3.
OLDEST = [
    "jupyterlab==4.0.3",
    "notebook==7.0.0",
    "jupyter_server==2.4.0",
    "jupyter_core==5.1.0",
    "ipykernel==6.23.3",
    "ipython==8.0.0",
    "ipywidgets==8.0.0",
    "jupyterlab_widgets==3.0.8",
    "nbclient==0.8.0",
    "nbformat==5.4.0",
    "packaging==22.0",
]


def oldest_environment(folder, wheel):
    """Make an environment of the oldest JupyterLab, Notebook, kernel and widgets that may be used."""
    python = Path(folder) / "bin" / "python"
    subprocess.run([*UV, "venv", "-q", "--clear", str(folder)], check=True)
    subprocess.run(
        [*UV, "pip", "install", "-q", "--python", str(python), str(wheel), *OLDEST], check=True
    )
    return str(python)


def add_kernel(place, name, python):
    """Let the front end on a folder start kernels of one more environment; return the spec's file."""
    folder = Path(place) / ".kernels" / "kernels" / name
    folder.mkdir()
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": name.title(), "language": "python"}
    file = folder / "kernel.json"
    file.write_text(json.dumps(spec))
    return file


class Panel:
    """The panel beside a notebook."""

    def __init__(self, tab):
        self.tab, self.page = tab, tab.page

    @property
    def node(self):
        return self.page.locator("#jupyter-containerize-panel")

    def open(self, address):
        self.tab.open(f"{address}&reset")  # JupyterLab would open what other tests had open
        self.page.keyboard.press("Escape")
        self.show()

    def open_at_once(self, address):
        """Go to a notebook whose kernel need not answer."""
        self.page.goto(address)
        self._settle()

    def _settle(self):
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        self.show()

    def width(self):
        return self.node.evaluate("element => element.offsetWidth")

    def narrow(self):
        """Make it as narrow as it can be, as a user does: by its edge."""
        box = self.node.bounding_box()
        self.page.mouse.move(box["x"] - 1, box["y"] + 300)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + box["width"], box["y"] + 300, steps=5)
        self.page.mouse.up()
        self.tab.until(lambda: self.width() < 280, "its edge was moved")

    def cut(self):
        """How many pixels of the view do not fit into its width."""
        return self.node.locator('[role="tabpanel"]').evaluate(
            "element => element.scrollWidth - element.clientWidth"
        )

    def show(self):
        if not self.node.is_visible():
            self.page.keyboard.press("Control+Alt+k")
        self.node.wait_for(state="visible")

    def reload(self):
        """Reload the page. JupyterLab remembers a moment later that the panel was open, or not yet."""
        self.page.reload()
        self._settle()

    def button(self, name):
        return self.node.locator(f'[data-name="{name}"]').first

    def code(self, code, **keywords):
        found = self.node.locator(f'[data-code="{code}"]').first
        found.wait_for(**keywords)
        return found

    def build(self):
        self.button("build").click()

    def verdict(self, timeout_s=BUILD_S):
        found = self.node.locator(VERDICT).first
        found.wait_for(timeout=timeout_s * 1000)
        return found.get_attribute("data-code").removeprefix("verdict-")

    def view(self, name):
        self.node.get_by_role("tab", name=name, exact=True).click()

    def ended(self, timeout_s=BUILD_S):
        self.node.locator('[data-phase="ended"]').wait_for(timeout=timeout_s * 1000)

    def run_id(self):
        return re.search(r"run (\w{8}) ", self.node.inner_text())[1]


def until_told(file, *, then="print('went on')"):
    """Source of a cell that lasts until something is written into `file`, which is there from now on.

    So it is an input, however late it is written, and the image has it: a file that first comes to be
    while a cell runs counts as the cell's own.
    """
    file.touch()
    return f"import time\nwhile not open({file.name!r}).read():\n    time.sleep(0.1)\n{then}"


#: Scrolls an element through, a frame at a time; returns at p95 milliseconds in the handler, and
#: until the rows of the new place are in the page; and the most rows.
SCROLL = """async element => {
  const times = []; const drawn = []; let rows = 0;
  for (let step = 0; step < 120; step += 1) {
    const begun = performance.now();
    const changed = new Promise(done => {
      const seen = new MutationObserver(() => { seen.disconnect(); done(performance.now() - begun); });
      seen.observe(element, {subtree: true, childList: true, attributes: true, characterData: true});
      setTimeout(() => { seen.disconnect(); done(null); }, 500);
    });
    const before = element.scrollTop;
    element.scrollTop += element.clientHeight * 0.7;
    const moved = element.scrollTop !== before;
    element.dispatchEvent(new Event('scroll'));
    times.push(performance.now() - begun);
    if (moved) {
      const took = await changed;
      if (took !== null) drawn.push(took);
    } else {
      element.scrollTop = 0;
    }
    await new Promise(requestAnimationFrame);
    rows = Math.max(rows, element.querySelectorAll('.jp-Containerize-row').length);
  }
  const p95 = list => list.sort((a, b) => a - b)[Math.floor(list.length * 0.95)];
  return {p95: p95(times), drawn: p95(drawn), rows};
}"""


def many_runs(store, template, count, lines):
    """Write runs that ended, the newest with a log of many lines."""
    template = json.loads((store / "runs" / template / "run.json").read_text())
    for number in range(count):
        folder = store / "runs" / f"many{number:04}"
        (folder / "outputs").mkdir(parents=True)
        started = template["started_at"] + number
        record = {**template, "id": folder.name, "started_at": started, "ended_at": started + 1,
                  "log": str(folder / "log"), "outputs": str(folder / "outputs")}  # fmt: skip
        (folder / "run.json").write_text(json.dumps(record))
        (folder / "lock").touch()
        (folder / "log").write_text("one line\n")
    with open(store / "runs" / f"many{count - 1:04}" / "log", "w") as log:
        log.writelines(f"line {number} of the log\n" for number in range(lines))
