"""The widget as people use it: in real front ends, with a real browser."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)  # what a wait may take is in tests/browser.py

CELLS = [
    "%load_ext jupyter_containerize",
    "import random\nprint(open('note.txt').read())\nprint('noise', random.random())",
    "%containerize",
    ("import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.1)", ["skip"]),
]


@pytest.fixture(scope="module")
def jupyter(browser, environment):
    """A server with JupyterLab, Notebook 7 and Voila."""
    place = Path(tempfile.mkdtemp(prefix="containerize-"))
    (place / "note.txt").write_text("a note")
    with browser.front_end(environment("browser"), place) as started:
        yield started
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def page(browser, chromium, jupyter):
    """`page(width=…)`: a notebook page in a browser of its own, on kernels of this test only."""
    with browser.pages(chromium) as make:
        yield make
    jupyter.stop_kernels()


def button(page, name):
    # The icon before it is a character of its font.
    return page.page.get_by_role("button", name=re.compile(rf"^\W*{name}$"))


def says(page, text):
    """Wait until the widget's sentence begins with `text`."""
    page.page.get_by_role("status").filter(has_text=re.compile(rf"^{text}")).first.wait_for()


#: Keeps what a build's layers said, as often as they were drawn: the last of it is soon gone.
WATCH = """
window.drawn = [];
new MutationObserver(() => {
  const bar = document.querySelector('.jp-OutputArea [role=progressbar]');
  if (bar) window.drawn.push([bar.getAttribute('aria-valuenow'), bar.parentElement.innerText]);
}).observe(document.body, {childList: true, subtree: true, attributes: true});
"""
OUTPUT = ".jp-CodeCell:nth-of-type(3) .jp-Cell-outputArea"


def press(page, name, key="Enter"):
    """Press a button by the keyboard."""
    button(page, name).focus()
    page.page.keyboard.press(key)


def saved_outputs(jupyter, name, cell):
    """The outputs of a cell in the file; none while the server is in the middle of writing it."""
    with contextlib.suppress(ValueError):
        return json.loads((jupyter.folder / name).read_text())["cells"][cell]["outputs"]
    return []


def test_jupyterlab_by_keyboard_while_the_kernel_works(browser, jupyter, page):
    jupyter.save("lab.ipynb", CELLS)
    (jupyter.folder / "go").unlink(missing_ok=True)
    tab = page()
    tab.open(jupyter.address("lab.ipynb"))
    for number in range(3):
        tab.run(number)
    button(tab, "Build").focus()
    tab.page.keyboard.press("Enter")
    button(tab, "Run and verify").wait_for()
    assert "Run and verify" in tab.page.evaluate("document.activeElement.innerText")
    tab.shot("widget-lab-built")
    tab.page.keyboard.press("Space")
    says(tab, "Not verified")
    tab.page.get_by_text("no seed is set").first.wait_for()
    assert tab.page.get_by_role("columnheader", name="In the image").is_visible()
    tab.shot("widget-lab-failed-proof")

    # A cell runs: the buttons answer all the same, and what needs the kernel waits for it.
    tab.run(3, wait=False)
    tab.until(lambda: "*" in tab.cell(3).inner_text(), "the cell runs")
    button(tab, "Open outputs").click()
    tab.page.get_by_text("executed.ipynb").first.wait_for()
    button(tab, "Compare only the shape of cell 2").click()
    says(tab, "Waiting until the running cell has ended")
    button(tab, "Cancel").click()
    says(tab, "Cancelled")
    assert "*" in tab.cell(3).inner_text(), "all this while the cell ran"
    (jupyter.folder / "go").touch()
    tab.wait_until_ran(3)

    button(tab, "Build").click()  # the image that is there lacks the mend
    button(tab, "Run and verify").click()
    says(tab, "Verified")
    tab.shot("widget-lab-verified")
    assert browser.barriers(tab, OUTPUT) == []

    # The page is loaded again: the kernel and what it knows are still there.
    tab.save()
    tab.until(lambda: "Verified" in str(saved_outputs(jupyter, "lab.ipynb", 2)), "it is saved")
    tab.page.reload()
    says(tab, "Verified")

    # The notebook is opened where no kernel knows the widget: its plain form is there.
    copy = "copy.ipynb"
    shutil.copy(jupyter.folder / "lab.ipynb", jupyter.folder / copy)
    plain = page()
    plain.open(jupyter.address(copy))
    shown = plain.cell(2)
    shown.get_by_text("Verified: the image does").first.wait_for()
    assert shown.get_by_text("note.txt").first.is_visible()
    assert shown.get_by_role("button").filter(visible=True).count() == 0
    plain.shot("widget-lab-saved")


def test_layers_and_a_service_with_its_form_by_keyboard(browser, jupyter, page):
    half = "def half(x: float) -> float:\n    return x / 2"
    jupyter.save("service.ipynb", [CELLS[0], half, *CELLS[2:]])
    (jupyter.folder / "go").unlink(missing_ok=True)
    tab = page()
    tab.open(jupyter.address("service.ipynb"))
    for number in range(3):
        tab.run(number)
    says(tab, "Ready to build")

    # The layers stand there from the first moment; here until the running cell has ended.
    tab.run(3, wait=False)
    tab.until(lambda: "*" in tab.cell(3).inner_text(), "the cell runs")
    press(tab, "Build")
    says(tab, "Waiting until the running cell has ended")
    bar = tab.cell(2).get_by_role("progressbar", name="Layers")
    assert re.match(r"0 B of \d+ MB", bar.get_attribute("aria-valuetext"))
    assert tab.cell(2).get_by_role("row", name=re.compile(r"^the guest .* waiting")).is_visible()
    assert browser.barriers(tab, OUTPUT) == []
    tab.shot("widget-lab-layers")
    tab.page.evaluate(WATCH)
    (jupyter.folder / "go").touch()
    button(tab, "Run and verify").wait_for()
    percent, said = tab.page.evaluate("window.drawn.at(-1)")
    assert percent == "100", said
    assert re.search(r"Python 3.* MB\s+(written in|there already)", said), said
    assert "waiting" not in said, said

    # Now a service of the function.
    tab.cell(2).get_by_label("Serve").focus()
    tab.page.keyboard.type("half")
    tab.page.keyboard.press("Tab")
    tab.cell(2).get_by_label("Example of its input").focus()
    tab.page.keyboard.type("5.0")
    press(tab, "Build")
    says(tab, "Verified")
    press(tab, "Start the service", "Space")
    says(tab, "The service answers at")
    tab.cell(2).get_by_label("x", exact=True).focus()
    tab.page.keyboard.press("Control+a")
    tab.page.keyboard.type("42")
    press(tab, "Send")
    tab.page.get_by_text("Answer 200 after").wait_for()
    assert "21.0" in tab.cell(2).inner_text()
    assert browser.barriers(tab, OUTPUT) == []
    tab.shot("widget-lab-service")
    press(tab, "As JSON")
    request = tab.cell(2).get_by_label("Request")
    written = {"inputs": {"x": 42}}
    tab.until(lambda: json.loads(request.input_value()) == written, "the form as JSON")
    request.fill("{")
    press(tab, "Send")
    tab.page.get_by_text("Answer 400 after").wait_for()
    press(tab, "Stop")
    says(tab, "The service has ended")
    assert button(tab, "Start the service").is_visible()


def test_trusted_without_a_kernel_no_error_stands_where_the_widget_was(jupyter, page):
    jupyter.save("gone.ipynb", [CELLS[0], CELLS[2]])
    tab = page()
    tab.open(jupyter.address("gone.ipynb"))
    tab.run(0)
    tab.run(1)
    says(tab, "Ready to build")
    tab.save()
    tab.until(lambda: saved_outputs(jupyter, "gone.ipynb", 1), "it is saved")
    jupyter.stop_kernels()
    again = page()
    again.open(jupyter.address("gone.ipynb"))
    again.cell(1).get_by_text("Buttons appear here").wait_for()
    again.page.wait_for_timeout(1500)
    text = again.cell(1).inner_text()
    assert "Packages" in text
    assert "Error displaying widget" not in text
    assert "Loading widget" not in text
    again.shot("widget-lab-trusted-without-kernel")


def test_notebook_7_in_the_dark_and_narrow(jupyter, page):
    jupyter.save("seven.ipynb", [CELLS[0], "print(6 * 7)", CELLS[2]])
    tab = page(width=480)
    tab.open(jupyter.address("seven.ipynb", "notebook"))
    tab.page.get_by_role("menuitem", name="Settings").click()
    tab.page.get_by_text("Theme", exact=True).hover()
    tab.page.get_by_text("JupyterLab Dark", exact=True).click()
    for number in range(3):
        tab.run(number)
    button(tab, "Build").click()
    button(tab, "Run and verify").click()
    says(tab, "Verified")
    wide = tab.page.evaluate(
        "(() => { const e = document.querySelector('.jp-WindowedPanel-outer, .jp-Notebook');"
        " return e.scrollWidth - e.clientWidth })()"
    )
    assert wide <= 1, "nothing sticks out of a narrow page"
    tab.shot("widget-notebook-dark-narrow")


def test_voila_has_a_working_button(jupyter, page):
    jupyter.save("voila.ipynb", [CELLS[0], "print(6 * 7)", CELLS[2]])
    tab = page()
    tab.page.goto(jupyter.address("voila.ipynb", "voila"))
    button(tab, "Build").click()
    button(tab, "Run and verify").click()
    says(tab, "Verified")
    tab.shot("widget-voila")
