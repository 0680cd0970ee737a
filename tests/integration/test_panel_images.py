"""The side panel's images and findings, every button clicked: a real registry, a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def jupyter(browser, environment, panel_environment, side_panel):
    """A server whose kernels have not our package."""
    place = Path(tempfile.mkdtemp(prefix="containerize-images-"))
    python = environment("bare")
    with browser.front_end(panel_environment, place, kernel=python, REGION="south") as started:
        yield started
    shutil.rmtree(place, ignore_errors=True)


def answer(view, text=None, button="Ok"):
    """Fill in what JupyterLab's dialog asks, and press a button of it."""
    dialog = view.page.locator(".jp-Dialog")
    shown = dialog.element_handle()
    if text is not None:
        dialog.locator("input").fill(text)
    dialog.get_by_role("button", name=re.compile(f"^{button}$", re.IGNORECASE)).click()
    shown.wait_for_element_state("hidden")  # another may follow


def catalogues(view):
    """Collect the addresses of catalogues of sentences that a page loads from now on."""
    static = Path(__file__).parents[2] / "jupyter_containerize" / "labextension" / "static"
    (name,) = (one.name for one in static.glob("*.js") if "The kernel died." in one.read_text())
    loaded = []
    view.page.on("request", lambda asked: name in asked.url and loaded.append(asked.url))
    return loaded


def by_command_line(jupyter, environment, name, source):
    """Build an image in the same store as somebody who types would, of the same notebook otherwise."""
    path = jupyter.save(name, [source])
    subprocess.run(
        [sys.executable, "-m", "jupyter_containerize", "build", str(path), "--no-execute",
         "--kernel", environment("bare"), "--store", str(jupyter.store)],
        check=True, capture_output=True,
    )  # fmt: skip


def test_images_are_compared_pushed_exported_run_and_deleted(
    browser, jupyter, panel, registry, environment
):
    by_command_line(jupyter, environment, "typed.ipynb", "print('one')")
    view = panel()
    jupyter.save("clicked.ipynb", ["print('two')"])
    view.open(jupyter.address("clicked.ipynb"))
    view.page.keyboard.press("Escape")
    view.page.locator(".jp-Notebook").focus()
    view.page.keyboard.press("Control+Alt+b")
    assert view.verdict() == "verified"
    view.view("Images")
    image = view.node.get_by_role("region", name="Image clicked:latest")
    image.wait_for()
    listed = view.node.get_by_role("region", name="Images", exact=True)
    assert re.search(
        r"clicked:latest\s*verified\s*[\d.]+ MB · .* · [\d.]+ MB shared", listed.inner_text()
    )

    option = image.get_by_label("Compare with").locator("option", has_text="typed:latest")
    image.get_by_label("Compare with").select_option(option.get_attribute("value"))
    image.get_by_text("Cell 1: changed").wait_for()
    assert "-print('one')\n+print('two')" in image.inner_text()

    view.button("image-push").click()
    answer(view, "localhost:1/team/clicked:1")
    refused = image.locator('[data-work="push"][data-phase="ended"] [role="alert"]')
    refused.wait_for()
    view.reload()
    view.view("Images")
    refused.wait_for()  # it stays until somebody has read it
    view.tab.shot("panel-images")
    assert browser.barriers(view.tab, "#jupyter-containerize-panel") == []
    image.get_by_role("button", name="Dismiss").click()
    refused.wait_for(state="detached")

    view.button("image-push").click()
    answer(view, f"{registry.url}/team/clicked:1")
    pushed = view.code("push-done")
    assert f"{registry.url}/team/clicked:1@sha256:" in pushed.inner_text()
    listing = json.loads(registry.get("/v2/team/clicked/tags/list")[1])
    assert "1" in listing["tags"]

    view.button("image-export").click()
    view.page.locator(".jp-Dialog select").select_option("Manifests for a cluster")
    answer(view)
    answer(view, f"{registry.url}/team")
    answer(view, "for-a-cluster")
    view.code("export-done")
    assert f"{registry.url}/team/clicked" in "".join(
        one.read_text() for one in (jupyter.folder / "for-a-cluster").iterdir()
    )

    view.button("image-verify").click()
    view.code("verdict-verified")
    view.button("image-run").click()
    image.locator('[data-work="run"] [data-name="show-run"]').click()
    view.node.locator('[data-run][aria-pressed="true"] .jp-mod-succeeded').wait_for()
    view.node.get_by_text("two", exact=True).wait_for()
    gone = view.node.locator('[data-run][aria-pressed="true"]').get_attribute("data-run")
    view.button("run-delete").click()
    answer(view, button="Delete")
    view.node.locator(f'[data-run="{gone}"]').wait_for(state="detached")
    assert not (jupyter.store / "runs" / gone).exists()

    view.view("Images")
    listed.get_by_text("typed:latest").click()
    view.node.get_by_role("region", name="Image typed:latest").wait_for()
    view.button("image-delete").click()
    answer(view, button="Delete")
    listed.get_by_text("typed:latest").wait_for(state="detached")
    view.button("gc").click()
    view.code("gc-done")
    view.tab.shot("panel-images-after")


def option(view, name, value="on"):
    """Answer one of the further options, as a person does who opens them first."""
    options = view.node.locator('[data-code="options"]:visible')
    if options.get_attribute("open") is None:
        options.locator("summary").click()
    field = options.locator(f'[data-option="--{name}"]')
    if field.get_by_role("checkbox").count():
        field.get_by_role("checkbox").check()
    else:
        field.locator("input, textarea").fill(value)


def test_what_a_command_line_can_say_can_be_clicked(browser, jupyter, panel):
    (jupyter.folder / "more.txt").write_text("more")
    jupyter.save("asked.ipynb", [("size = 1", ["parameters"]), "print('size', size)"])
    view = panel()
    view.open(jupyter.address("asked.ipynb"))
    view.view("Build")
    option(view, "tag", "mine:2")
    option(view, "slim")
    option(view, "include", "more.txt")
    option(view, "output", "oci-archive:asked.tar")
    option(view, "memory", "much")
    view.build()
    assert "512M" in view.code("usage").inner_text()
    option(view, "memory", "600M")
    view.node.get_by_text("More options (5 given)").wait_for()
    view.tab.shot("panel-options")
    assert browser.barriers(view.tab, "#jupyter-containerize-panel") == []
    view.build()
    assert view.verdict() == "verified"
    assert (jupyter.folder / "asked.tar").is_file()
    record = json.loads((jupyter.store / "runs" / view.run_id() / "run.json").read_text())
    assert record["spec"]["limits"]["memory_bytes"] == 600 << 20

    view.view("Images")
    image = view.node.get_by_role("region", name="Image mine:2")
    inside = image.locator('[data-code="inside"]')
    inside.locator("summary").click()
    inside.get_by_role("combobox").select_option("files")
    inside.get_by_text("more.txt").first.wait_for()
    view.button("image-name").click()
    answer(view, "mine:best")
    view.code("tag-done").get_by_text(re.compile("mine:best")).wait_for()
    view.button("image-check").click()
    view.code("validate-done")
    option(view, "parameter", "size=7")
    view.button("image-run").click()
    image.locator('[data-work="run"] [data-name="show-run"]').click()
    view.node.get_by_text("size 7", exact=True).wait_for()


#: A package that was installed from a folder of this machine.
PACKAGE = {
    "straw/__init__.py": "length = 3\n",
    "straw-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: straw\nVersion: 1.2\n",
    "straw-1.2.dist-info/INSTALLER": "pip\n",
    "straw-1.2.dist-info/direct_url.json": '{"url": "file:///home/me/straw", "dir_info": {}}',
    "straw-1.2.dist-info/RECORD": (
        "straw/__init__.py,,\nstraw-1.2.dist-info/METADATA,,\n"
        "straw-1.2.dist-info/INSTALLER,,\nstraw-1.2.dist-info/direct_url.json,,\n"
        "straw-1.2.dist-info/RECORD,,\n"
    ),
}
CELLS = [
    "import os, sys\nsys.path.insert(0, os.path.abspath('lib'))\nimport straw",
    "region = os.environ.get('REGION', 'nowhere')\nprint(region)",
    "print(len(open('big.bin', 'rb').read(3)))",
    "late = 1",
]


def test_findings_are_cards_and_every_fix_is_a_button(jupyter, panel):
    """Mount, set, pin, run and tag; allowing and adding a file are clicked elsewhere."""
    for path, text in PACKAGE.items():
        file = jupyter.folder / "lib" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    with (jupyter.folder / "big.bin").open("wb") as file:
        file.truncate(120_000_000)
    jupyter.save("cards.ipynb", CELLS)
    view = panel()
    loaded = catalogues(view)
    view.open(jupyter.address("cards.ipynb"))
    for number in range(3):
        view.tab.run(number)
    view.view("Notebook")
    view.button("plan").click()
    large = view.code("file-too-large")
    assert large.get_by_role("button", name="Add big.bin").is_visible()
    large.get_by_role("button", name="Mount big.bin when it runs").click()

    card = view.code("variable-not-in-image")
    view.tab.shot("panel-findings")
    card.get_by_role("button", name="Set REGION").click()
    answer(view, "north")
    view.code("cell-never-run").get_by_role("button", name="Run cell 4").click()
    view.node.locator('[data-code="cell-never-run"]').wait_for(state="detached")
    assert re.search(r"\[\d+\]", view.tab.cell(3).inner_text())

    view.view("Build")
    view.node.get_by_text("Mounted: ").wait_for()
    view.node.get_by_text("Set for runs: REGION").wait_for()
    view.build()
    view.button("show-run").wait_for()
    log = (jupyter.store / "runs" / view.run_id() / "log").read_text()
    assert "north" in log
    assert "north" not in "".join(one.read_text() for one in jupyter.store.glob("jobs/*/job.json"))

    view.view("Notebook")
    local = view.code("unpinned-origin")
    assert "straw" in local.inner_text()
    local.get_by_role("button", name="Pin straw==1.2 in a new cell").click()
    first = view.tab.cell(0)
    first.get_by_text("%pip install --force-reinstall --no-deps straw==1.2").wait_for()
    view.tab.save()
    path = jupyter.folder / "cards.ipynb"
    view.tab.until(lambda: "straw==1.2" in path.read_text(), "it is saved")
    assert json.loads(path.read_text())["cells"][0]["metadata"]["tags"] == ["skip"]

    # The plan is made again: what has changed since the image is told.
    view.tab.cell(4).locator(".cm-content").click()
    view.page.keyboard.press("End")
    view.page.keyboard.type(" + 1")
    view.button("plan").click()
    view.code("cell-edited-since-run").get_by_role("button", name="Run cell 5").click()
    changed = view.node.locator('[data-code="since"]')
    changed.get_by_text(re.compile(r"^Changed since cards:latest .*1 cell$")).click()
    changed.get_by_text("Cell 5: changed").wait_for()
    view.tab.shot("panel-since")
    assert loaded == [], "an English page needs no catalogue"


@pytest.fixture
def in_another_language(jupyter, panel_environment, language_pack):
    """A page in the language of a pack of our own, which translates every text it is asked for."""
    (packages,) = Path(panel_environment).parents[1].glob("lib/python*/site-packages")
    language_pack.install(packages)
    settings = jupyter.folder / ".home/.jupyter/lab/user-settings/@jupyterlab"
    file = settings / "translation-extension" / "plugin.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"locale": language_pack.LOCALE}))
    yield language_pack
    file.unlink()


def test_every_sentence_is_translated_and_buttons_do_what_they_did(
    jupyter, panel, in_another_language
):
    """In every view, in a problem with its fix, and in what the doctor says."""
    turned = in_another_language.turned

    def english():
        return view.node.evaluate(in_another_language.ENGLISH)

    key = f"AKIA{'QYLPMN5HFIQR7XYA'}"
    jupyter.save("languages.ipynb", ["import os\nprint(os.environ['REGION'])", f"key = '{key}'"])
    view = panel()
    loaded = catalogues(view)
    view.open(jupyter.address("languages.ipynb"))
    for number in range(2):
        view.tab.run(number)
    view.node.get_by_role("tab", name=turned("Notebook"), exact=True).click()
    view.button("plan").click()
    problem = view.node.locator('[data-code^="secret-"]')
    problem.get_by_text(turned("It is no secret: allow it")).wait_for()
    assert len(loaded) == 1
    view.tab.shot("panel-language")
    assert english() == []
    problem.get_by_text(turned("It is no secret: allow it")).click()
    view.button("plan").get_by_text(turned("Look again")).wait_for()
    table = view.node.locator(".jp-Containerize-filter select")
    table.wait_for()
    for name in ("packages", "files", "libraries", "executables", "layers"):
        table.select_option(name)
        assert english() == [], name
    for name in ("Build", "Images", "Runs", "Cluster"):
        view.node.get_by_role("tab", name=turned(name), exact=True).click()
        view.node.get_by_text(turned("Looking …")).first.wait_for(state="detached")
        if name == "Build":
            view.node.get_by_text(turned("Allowed: ")).wait_for()
        view.tab.shot(f"panel-language-{name.lower()}")
        assert english() == [], name
