"""The wheel as users meet it: what the README tells a new one, and the oldest that is supported."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def place():
    folder = Path(tempfile.mkdtemp(prefix="containerize-versions-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def view_of(browser, chromium, side_panel):
    """`view_of(width=…)`: a browser window of its own with the panel."""
    with browser.pages(chromium) as make:
        yield lambda **size: side_panel.Panel(make(**{"width": 1400, "height": 950} | size))


def test_a_new_user_gets_from_pip_to_a_verified_run_by_one_click(
    browser, environment, panel_wheel, place, side_panel, view_of
):
    """What the README's picture shows: nothing was run before, one click, a verified run."""
    python, variables = side_panel.user_environment(place / "new", panel_wheel)
    root = place / "root"
    root.mkdir()
    source = json.loads((ROOT / "examples/keras_classifier/keras_classifier.ipynb").read_text())
    source["metadata"]["kernelspec"] = {"name": "tests", "display_name": "Tests"}
    (root / "keras_classifier.ipynb").write_text(json.dumps(source))
    with browser.front_end(python, root, kernel=environment("keras"), **variables) as jupyter:
        view = view_of()
        view.tab.open(jupyter.address("keras_classifier.ipynb"))
        view.page.locator('[data-command="containerize:build"]').first.click()
        assert view.verdict(600) == "verified"
        view.page.wait_for_timeout(300)
        view.tab.shot("panel-verified")
        if os.environ.get("CONTAINERIZE_PICTURES"):
            shutil.copy(browser.ARTIFACTS / "panel-verified.png", ROOT / "docs" / "panel.png")
        view.button("open-executed").click()
        view.page.get_by_role("tab", name="keras_classifier-executed.ipynb").first.wait_for()
        view.page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output img").first.wait_for()
        view.view("Runs")
        view.node.locator("[data-run]").first.click()
        with view.page.expect_download() as download:
            view.node.get_by_role("link", name="executed.ipynb").click()
        assert json.loads(Path(download.value.path()).read_text())["nbformat"] == 4
        jupyter.stop_kernels()


def test_the_oldest_jupyterlab_notebook_server_and_widgets_do_it_all(
    browser, panel_wheel, place, side_panel, view_of
):
    """In one environment: the widget, the panel, and nothing of ours in the console."""
    python = side_panel.oldest_environment(place / "oldest", panel_wheel)
    listed = subprocess.run(
        [python, "-m", "jupyter", "labextension", "list"], capture_output=True, text=True
    )
    told = re.sub(r"\x1b\[\d*m", "", listed.stdout + listed.stderr)
    assert re.search(r"jupyter-containerize v\S+ enabled +OK", told), told
    root = place / "root"
    root.mkdir()
    with browser.front_end(python, root, kernel=python) as jupyter:
        jupyter.save(
            "old.ipynb", ["%load_ext jupyter_containerize", "print(6 * 7)", "%containerize"]
        )
        view = view_of()
        view.open(jupyter.address("old.ipynb"))
        for number in range(3):
            view.tab.run(number)
        widget = view.tab.cell(2).get_by_role("button")
        for name in ("Build", "Run and verify", "Open outputs"):
            widget.filter(has_text=re.compile(rf"{name}$")).click()
        view.build()
        assert view.verdict() == "verified"
        view.button("open-executed").click()
        view.page.get_by_role("tab", name="old-executed.ipynb").first.wait_for()
        for name in ("Notebook", "Images", "Runs", "Cluster"):
            view.view(name)
        view.tab.shot("panel-oldest-lab")
        seven = view_of()
        seven.tab.open(jupyter.address("old.ipynb", "notebook"))
        seven.show()
        seven.view("Build")
        assert seven.verdict() == "verified"
        seven.tab.shot("panel-oldest-notebook")
        said = [*view.tab.console, *seven.tab.console]
        ours = [one for one in said if re.search("ontaineriz|Unsatisfied|No satisfying", one)]
        assert ours == []
        jupyter.stop_kernels()


def test_a_server_that_is_too_old_says_so_in_its_log_and_goes_on():
    """Jupyter Server 1 cannot be installed everywhere any more, so only its number is played."""
    import jupyter_containerize  # noqa: PLC0415

    class Server:
        version = "1.24.0"
        said = ""

        class log:  # noqa: N801 - as a traitlets application has it
            @staticmethod
            def warning(text, error):
                Server.said = text % error

    jupyter_containerize._load_jupyter_server_extension(Server)
    assert "Jupyter Server 1.24.0 is too old" in Server.said
    assert "pip install --upgrade jupyterlab" in Server.said


def test_the_sources_of_a_release_make_the_same_wheel_and_none_without_its_panel(
    panel_wheel, place, side_panel
):
    """Without Node.js: an sdist carries the built panel; a bare checkout says what is missing."""
    build = [*side_panel.UV, "build", "-q", "--python", sys.executable, "--sdist"]
    subprocess.run([*build, "-o", str(place), str(ROOT)], check=True)
    [sources] = place.glob("*.tar.gz")
    path = side_panel.without_node(place / "programs")
    again = side_panel.make_wheel(place / "again", sources, PATH=path)
    with zipfile.ZipFile(panel_wheel) as one, zipfile.ZipFile(again) as other:
        assert {each.filename: each.CRC for each in other.infolist()} == {
            each.filename: each.CRC for each in one.infolist()
        }
    shutil.unpack_archive(sources, place / "bare")
    [bare] = (place / "bare").iterdir()
    shutil.rmtree(bare / "jupyter_containerize" / "labextension")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        side_panel.make_wheel(place / "none", bare, PATH=path)
    assert "there is no Node.js with npm on PATH" in caught.value.stderr
    assert "CONTAINERIZE_WITHOUT_PANEL=1" in caught.value.stderr
