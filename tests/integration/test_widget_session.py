"""The widget without a front end: its session with real workers, and the widgets it makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jupyter_containerize.capture import kernel, notebook
from jupyter_containerize.errors import interrupted
from jupyter_containerize.model.options import CaptureOptions
from jupyter_containerize.surfaces.arguments import parser
from jupyter_containerize.surfaces.config import settings
from jupyter_containerize.surfaces.requests import request_of
from jupyter_containerize.surfaces.widget.kernel import with_record
from jupyter_containerize.surfaces.widget.saved import Saved
from jupyter_containerize.surfaces.widget.session import Session
from jupyter_containerize.surfaces.widget.state import Action
from jupyter_containerize.surfaces.widget.view import View

ROOT = Path(__file__).resolve().parents[2]


class Recorded:
    """A kernel that has ended; `record` is its record, or a function that gives it."""

    def __init__(self, record):
        self.record = record

    def complete(self, request, folder, cancelled):
        record = self.record(cancelled) if callable(self.record) else self.record
        return with_record(request, record, folder)

    def servable(self):
        return {}


def write(path, *sources):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {"tags": ["parameters"]} if "# parameters" in source else {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources)
    ]
    path.write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return str(tmp_path_factory.mktemp("store"))


@pytest.fixture
def session(tmp_path, store):
    """`session(*cells)`: a session with the record of a kernel that has run these cells."""

    def make(*sources, execute=True):
        path = write(tmp_path / "note.ipynb", *sources)
        record = kernel.record(notebook.read(str(path)), options=CaptureOptions(execute=execute))
        record["session"]["notebook_path"] = str(path)
        defaults = settings(store=store)
        made.append(
            Session(
                ask=lambda words: request_of(parser(magic=True).parse(words), defaults),
                kernel=Recorded(record),
            )
        )
        return made[-1]

    made = []
    yield make
    for one in made:
        one.cancel()
        one.wait(30)


@pytest.fixture
def view():
    """`view(session)`: the widgets on a session."""
    made = []

    def make(session):
        made.append(View(session, Saved(session)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def done(session):
    assert session.wait(120)
    return session


def everything(widget):
    """All text that a widget and what is in it show."""
    if widget.layout.display == "none":
        return ""
    own = getattr(widget, "description", "") + "\n" + str(getattr(widget, "value", ""))
    return own + "".join(everything(child) for child in getattr(widget, "children", ()))


def buttons(widget):
    """The visible buttons by their label."""
    if widget.layout.display == "none":
        return {}
    found = {} if not hasattr(widget, "click") else {widget.description: widget}
    for child in getattr(widget, "children", ()):
        found.update(buttons(child))
    return found


def drawn(view):
    view.draw()
    return everything(view.root)


def test_from_cells_to_a_verified_run_with_one_button(session, view):
    live = session("import math\nprint('pi is', round(math.pi, 4))", "math.tau")
    page = view(live)
    live.look()
    done(live)
    shown = drawn(page)
    assert "Ready to build" in shown
    assert "ipython" in shown.lower()
    assert "required by the guest" in shown
    assert list(buttons(page.root)) == ["Build", "Look again", "More options"]

    page.controls.primary.click()
    assert live.busy == "build"
    assert "Cancel" in buttons(page.root) or drawn(page)
    done(live)
    assert live.image["names"] == ["note:latest"]
    assert live.next is Action.RUN
    layers = live.bars.rows.values()
    assert sum(bar.done_bytes for bar in layers) == live.bars.total_bytes > 1_000_000
    drawn(page)
    assert buttons(page.root)["Run and verify"] is page.controls.primary

    page.controls.primary.click()
    done(live)
    shown = drawn(page)
    assert live.verdict["state"] == "verified"
    assert "Verified: the image does what the notebook did" in shown
    assert "pi is 3.1416" in shown, "the log"
    assert buttons(page.root)["Open outputs"] is page.controls.primary

    page.controls.primary.click()
    shown = drawn(page)
    assert "executed.ipynb" in shown
    assert "6.28318" in shown
    assert live.run["outputs"] in shown
    assert buttons(page.root)["Hide outputs"] is page.controls.primary

    page.wanted.value = "pygments"
    shown = drawn(page)
    assert "pygments" in shown
    assert "standard library" not in shown

    bundle = page.saved._bundle()
    assert set(bundle) == {"text/html", "text/plain"}
    assert "<script" not in bundle["text/html"]
    for text in bundle.values():
        assert "Verified" in text
        assert "required by the guest" in text
        assert "note:latest" in text


def test_a_failed_proof_is_shown_side_by_side_and_mended_by_a_button(session, view):
    live = session("import random\nprint('noise')\nprint(random.random())")
    page = view(live)
    live.build(prove=True)
    done(live)
    shown = drawn(page)
    assert live.verdict["state"] == "failed"
    assert "In the notebook" in shown
    assert "In the image" in shown
    assert "no seed" in shown
    assert live.next is Action.OPEN

    buttons(page.root)["Compare only the shape of cell 1"].click()
    done(live)
    assert live.verdict["state"] == "verified", live.verdict
    assert "--mark-cell 1=nondeterministic" in drawn(page)
    buttons(page.root)["Undo fixes"].click()
    done(live)
    assert live.words == ()


def test_a_blocked_build_offers_its_fixes_and_one_click_mends_it(session, view, tmp_path):
    big = tmp_path / "big data.bin"
    big.write_bytes(b"\0" * 120_000_000)
    live = session(f"print(len(open({str(big)!r}, 'rb').read(4)))")
    page = view(live)
    live.look()
    done(live)
    assert live.error["code"] == "file-too-large"
    shown = drawn(page)
    assert "over the limit" in shown
    assert {"Add big data.bin", "Mount big data.bin instead"} <= set(buttons(page.root))

    buttons(page.root)["Mount big data.bin instead"].click()
    done(live)
    assert live.error is None, live.error
    live.build()
    done(live)
    live.start_run()
    done(live)
    assert live.verdict["state"] == "verified", (live.error, live.verdict)


def test_a_secret_is_accepted_or_stays_a_blocker(session, view):
    live = session("token = 'ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8'\nprint(1)")
    page = view(live)
    live.look()
    done(live)
    drawn(page)
    assert "Accept it" in buttons(page.root)
    live.build()
    done(live)
    assert live.error["code"].startswith("secret-")
    drawn(page)
    buttons(page.root)["Accept it"].click()
    done(live)
    assert live.error is None
    assert live.image is not None


def test_cancel_stops_a_run_and_leaves_everything_usable(session, view):
    live = session("# parameters\nlong = 0", "import time\nprint('up')\ntime.sleep(long)")
    page = view(live)
    live.build()
    done(live)
    drawn(page)
    page.controls.parameters.children[0].value = "600"
    page.controls.primary.click()
    end = time.monotonic() + 60
    while "up" not in "".join(live.log.pieces()[1]) and time.monotonic() < end:
        time.sleep(0.05)
    drawn(page)
    buttons(page.root)["Cancel"].click()
    assert live.wait(30)
    assert live.error["code"] == "interrupted"
    assert "Cancelled" in drawn(page)
    assert live.next is Action.RUN
    page.controls.parameters.children[0].value = "0"
    page.controls.primary.click()
    done(live)
    assert live.verdict["state"] == "verified"


def test_cancel_while_the_kernel_is_busy_and_nothing_has_begun():
    asked = threading.Event()

    def record(cancelled):
        asked.set()
        cancelled.wait(30)
        raise interrupted("capture")

    defaults = settings()
    live = Session(
        ask=lambda words: request_of(parser(magic=True).parse(words), defaults),
        kernel=Recorded(record),
    )
    live.look()
    assert asked.wait(10)
    assert live.waiting
    live.build()  # while one thing is in work, another click does nothing
    assert live.busy == "plan"
    live.cancel()
    assert live.wait(10)
    assert live.error["code"] == "interrupted"


def test_a_mistake_of_ours_is_shown_and_is_no_endless_spinner(view):
    def record(_):
        raise ZeroDivisionError

    defaults = settings()
    live = Session(
        ask=lambda words: request_of(parser(magic=True).parse(words), defaults),
        kernel=Recorded(record),
    )
    page = view(live)
    live.look()
    done(live)
    assert live.error["code"] == "internal-error"
    assert "ZeroDivisionError" in drawn(page)
    assert "Look again" in buttons(page.root)


SERVING = """
import json, time
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "jupyter_containerize")
shell.run_cell("def twice(x: float, label: str = 'x') -> str:\\n    return label + str(2 * x)", store_history=True)

from jupyter_containerize.surfaces.config import settings
from jupyter_containerize.surfaces.widget.display import Shown
from jupyter_containerize.surfaces.widget.saved import Saved
from jupyter_containerize.surfaces.widget.view import View

session = Shown(shell, settings()).session
page = View(session, Saved(session))
told = {}

def until(condition, timeout_s=120):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, (session.error, session.run, "".join(session.log.pieces()[1]))
        time.sleep(0.05)

session.look()
session.wait()
page.draw()
told["choices"] = list(page.controls.serve.options)
page.controls.serve.value = "twice"
page.controls.primary.click()
session.wait()
assert session.error is None, session.error
told["verdict"] = session.verdict["state"]
page.draw()
told["next"] = page.controls.primary.description
page.controls.primary.click()
session.wait()
until(lambda: session.ready)
page.draw()
told["fields"] = [one.description for one in page.form._fields.children]
page.form._fields.children[0].value = "21"
page.form._fields.children[-1].value = "answer "
page.form.send.click()
until(lambda: page.form.answer)
told["answer"] = [page.form.answer.status, page.form.answer.text]
page.form.answer = None
page.form._fields.children[0].value = "no number"
page.form.send.click()
until(lambda: page.form.answer)
told["refused"] = [page.form.answer.status, page.form.answer.text]
page.controls.stop.click()
session.wait()
until(lambda: not session.running)
page.draw()
told["stopped"] = [session.run["state"], page.controls.primary.description]
print(json.dumps(told))
"""


@pytest.mark.parametrize("versions", ["newest", "oldest"])
def test_a_function_becomes_a_service_that_the_form_asks(versions, environment, tmp_path):
    python = sys.executable if versions == "newest" else environment("oldest")
    done = subprocess.run(
        [python, "-c", SERVING],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["choices"] == ["twice"]
    assert told["verdict"] == "verified"
    assert told["next"] == "Start the service"
    assert told["fields"] == ["x", "label"], "in the order of the signature"
    assert told["answer"][0] == 200
    assert "answer 42.0" in told["answer"][1]
    assert told["refused"][0] in (400, 422)
    assert "x" in told["refused"][1]
    assert told["stopped"] == ["stopped", "Start the service"]


def fields_of(widget):
    """The fields that can be filled in, by their label."""
    if widget.layout.display == "none":
        return {}
    own = {widget.description: widget} if hasattr(widget, "value") and widget.description else {}
    for child in getattr(widget, "children", ()):
        own.update(fields_of(child))
    return own


def test_further_options_are_fields_that_the_next_commands_heed(session, view, tmp_path):
    live = session("print('hello')")
    shown = view(live)
    assert "Memory" not in fields_of(shown.root)
    shown.options.toggle.click()
    drawn(shown)
    form = fields_of(shown.root)
    assert {"Name", "Base", "Memory", "Include", "Slim"} <= form.keys()
    assert "Replicas" not in form, "of clusters only where a cluster is to run it"
    (tmp_path / "more.txt").touch()
    form["Name"].value = "mine:2"
    form["Slim"].value = True
    form["Include"].value = f"{tmp_path}/more.txt\n"
    form["Memory"].value = "much"
    drawn(shown)
    assert shown.options.toggle.description == "More options (4 given)"
    live.look()
    assert done(live).error is None, "a plan has no runs"
    live.build()
    assert done(live).error["code"] == "usage"
    assert "512M" in drawn(shown)
    form["Memory"].value = "600M"
    live.build()
    assert done(live).image["names"] == ["mine:2"]
    assert any(one["path"].endswith("more.txt") for one in live.plan["files"])
    live.start_run()
    assert done(live).verdict["state"] == "verified"
    form["Runtime"].value = "kubernetes"
    drawn(shown)
    assert "Replicas" in fields_of(shown.root)
    assert "--tag=mine:2" in live.command
