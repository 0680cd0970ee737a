"""Other people's notebooks and ours, from cells to a verified container run.

What is verified is printed at the end as a table (`.artifacts/notebooks.md`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
NOTEBOOKS = HERE.parent / "notebooks"
EXAMPLES = HERE.parent.parent / "examples"
ARTIFACTS = HERE.parent.parent / ".artifacts"

#: Our notebooks: folder to (notebook, environment).
CASES = {
    "asynchronous": "bare",
    "c_extension": "crafted",
    "classes_pickle": "bare",
    "displays": "bare",
    "editable_install": "crafted",
    "environment_variables": "bare",
    "file_formats": "science",
    "images": "science",
    "local_package": "bare",
    "namespace_packages": "crafted",
    "other_languages": "bare",
    "pandas_report": "science",
    "parent_data": "bare",
    "plots": "science",
    "polars_frames": "science",
    "processes_threads": "bare",
    "random_numbers": "science",
    "shell_commands": "bare",
    "sklearn_pipeline": "science",
    "sqlite_database": "bare",
    "time_and_place": "bare",
    "writes_files": "bare",
}

#: Third-party notebooks, unmodified, from the source distributions on PyPI: project to paths.
THIRD_PARTY = {
    "control==0.10.2": [
        "examples/cds110-L2_invpend-dynamics.ipynb",
        "examples/cds112-L1_python-control.ipynb",
        "examples/cruise.ipynb",
    ],
    "emcee==3.1.6": ["docs/tutorials/quickstart.ipynb"],
    "hdbscan==0.8.44": ["notebooks/How HDBSCAN Works.ipynb"],
    "lmfit==1.3.4": ["examples/discuss_model_eval_uncertainty.ipynb"],
    "nbclient==0.11.0": [
        "tests/files/Factorials.ipynb",
        "tests/files/Inline Image.ipynb",
        "tests/files/SVG.ipynb",
        "tests/files/UnicodePy3.ipynb",
        "tests/files/update-display-id.ipynb",
    ],
    "papermill==2.7.0": ["papermill/tests/notebooks/simple_execute.ipynb"],
    "statsmodels==0.15.0": [
        "examples/notebooks/categorical_interaction_plot.ipynb",
        "examples/notebooks/copula.ipynb",
        "examples/notebooks/glm.ipynb",
        "examples/notebooks/ols.ipynb",
        "examples/notebooks/quantile_regression.ipynb",
        "examples/notebooks/robust_models_0.ipynb",
        "examples/notebooks/tsa_filters.ipynb",
    ],
}

#: Third-party notebooks whose recorded run cannot be repeated, each with its reason. They must
#: still be containerized and run, and the proof must say that they do not match.
UNREPEATABLE: dict[str, str] = {
    "notebooks/How HDBSCAN Works.ipynb": "draws random points without a seed",
    "examples/discuss_model_eval_uncertainty.ipynb": "adds random noise without a seed",
    "examples/notebooks/robust_models_0.ipynb": "adds random noise without a seed",
    "tests/files/update-display-id.ipynb": (
        "writes to the kernel's own message socket; in a container there is no kernel"
    ),
}


def load(name):
    spec = importlib.util.spec_from_file_location(name, HERE.parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """One store for all notebooks of a test process: they share layers, as a user's do."""
    return tmp_path_factory.mktemp("notebook-store")


@pytest.fixture(scope="session")
def crafted(tmp_path_factory):
    made = {}

    def python():
        if not made:
            folder = tmp_path_factory.mktemp("crafted")
            base = getattr(sys, "_base_executable", sys.executable)
            made["python"] = load("crafted").make(folder, base, NOTEBOOKS)
        return made["python"]

    return python


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """`sources("control==0.10.2")`: the unpacked source distribution, fetched from PyPI."""
    folder = tmp_path_factory.mktemp("sources")

    def fetch(requirement):
        name = requirement.replace("==", "-")
        place = folder / name
        if not place.exists():
            downloads = folder / f"{name}-download"
            subprocess.run(
                [sys.executable, "-m", "unearth", "--no-binary", "--download", str(downloads), requirement],
                check=True, capture_output=True,
            )  # fmt: skip
            (archive,) = downloads.iterdir()
            with tarfile.open(archive) as tar:
                tar.extractall(folder / f"{name}-unpacked", filter="data")
            (unpacked,) = (folder / f"{name}-unpacked").iterdir()
            unpacked.rename(place)
        return place

    return fetch


def containerize(notebook: Path, python: str, store: Path) -> dict:
    """Build, run and verify by the command line as a user does; return its JSON result."""
    # With PYTEST_CURRENT_TEST set, ipykernel does not record what C code prints.
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTEST_CURRENT_TEST")
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_containerize", "build", str(notebook), "--kernel", python,
         "--store", str(store), "--verify", "--json"],
        capture_output=True, text=True, env=environment, timeout=500, cwd=notebook.parent,
    )  # fmt: skip
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events, f"no events; exit {done.returncode}; {done.stderr[-3000:]}"
    last = events[-1]
    return {"exit": done.returncode, "events": events, "last": last, "stderr": done.stderr}


def explain(result: dict) -> str:
    """Say what went wrong: the error, or the cells that are not equal."""
    last = result["last"]
    if last.get("error"):
        return json.dumps(last["error"], indent=1, ensure_ascii=False) + result["stderr"][-2000:]
    cells = last["data"]["verdict"]["cells"]
    log = "".join(event["text"] for event in result["events"] if event["is"] == "log")
    wrong = [cell for cell in cells if cell["outcome"] not in ("equal", "unproven")]
    return json.dumps(wrong, indent=1, ensure_ascii=False)[:6000] + "\nlog:\n" + log[-1500:]


def report(name: str, result: dict) -> None:
    """Append one row to the table of what was proven."""
    ARTIFACTS.mkdir(exist_ok=True)
    last = result["last"]
    verdict = (last.get("data") or {}).get("verdict") or {}
    outcomes = [cell["outcome"] for cell in verdict.get("cells", [])]
    summary = ", ".join(f"{outcomes.count(o)} {o}" for o in sorted(set(outcomes)))
    state = verdict.get("state") or (last.get("error") or {}).get("code", "?")
    with open(ARTIFACTS / "notebooks.md", "a") as file:
        file.write(f"| {name} | {state} | {summary} |\n")


@pytest.mark.parametrize("name", sorted(CASES))
def test_our_notebook_is_verified(name, environment, crafted, store, tmp_path):
    folder = tmp_path / "with spaces ü" / name
    shutil.copytree(NOTEBOOKS / name, folder)
    python = crafted() if CASES[name] == "crafted" else environment(CASES[name])
    if name == "c_extension":
        library = folder / "libtwice.so"
        subprocess.run(["gcc", "-shared", "-o", str(library), str(folder / "twice.c")], check=True)
    (notebook,) = folder.rglob("*.ipynb")
    result = containerize(notebook, python, store)
    report(name, result)
    assert result["exit"] == 0, explain(result)
    assert result["last"]["data"]["verdict"]["state"] == "verified", explain(result)


@pytest.mark.parametrize(
    ("requirement", "path"), [(r, p) for r, paths in THIRD_PARTY.items() for p in paths]
)
def test_third_party_notebook_is_verified(requirement, path, sources, environment, store, tmp_path):
    source = sources(requirement) / path
    folder = tmp_path / "notebooks"
    shutil.copytree(source.parent, folder)
    result = containerize(folder / source.name, environment("corpus"), store)
    report(f"{requirement} {path}", result)
    if path in UNREPEATABLE:
        assert result["last"]["data"]["verdict"]["state"] == "failed", explain(result)
        return
    assert result["exit"] == 0, explain(result)
    assert result["last"]["data"]["verdict"]["state"] == "verified", explain(result)


def test_the_keras_example_is_verified(environment, store, tmp_path):
    shutil.copytree(EXAMPLES / "keras_classifier", tmp_path / "keras_classifier")
    notebook = tmp_path / "keras_classifier" / "keras_classifier.ipynb"
    result = containerize(notebook, environment("science"), store)
    report("keras_classifier", result)
    assert result["exit"] == 0, explain(result)
    assert result["last"]["data"]["verdict"]["state"] == "verified", explain(result)
    outputs = Path(result["last"]["data"]["run"]["outputs"])
    assert (outputs / "files" / "classifier.keras").stat().st_size > 10_000
    assert (outputs / "executed.ipynb").exists()
