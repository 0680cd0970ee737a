"""The servers that are compared: how each is started, and what it is sent."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers"
SERVE = ROOT / "jupyter_containerize" / "guest" / "serve.py"
LARGE = 1 << 20  # numbers of four bytes: 4 MB

sys.path.insert(0, str(PEERS))
from models import COLUMNS, FEATURES, ROW  # noqa: E402 - the peers' own module


@dataclass(frozen=True)
class Ask:
    """One request: where to, with which body and headers."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """A server: its name, its environment, its command (`{port}` and `{folder}` are filled in)."""

    name: str
    environment: str
    command: tuple[str, ...]
    ready: str
    ask: Ask
    settings: dict[str, str] = field(default_factory=dict)


def python_of(name: str) -> str:
    """Return the Python of an environment of tests/environments.py."""
    spec = importlib.util.spec_from_file_location("environments", ROOT / "tests/environments.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("tests/environments.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.python_of(name))


def rows_json(model: str) -> Ask:
    """Return one row as JSON rows."""
    return Ask("/predict", json.dumps({"rows": [ROW if model == "sklearn" else FEATURES]}).encode())


def v2_json(model: str) -> Ask:
    """Return one row (or 4 MB of numbers) by the Open Inference Protocol."""
    if model == "sklearn":
        inputs = [
            {
                "name": name,
                "shape": [1, 1],
                "datatype": "BYTES" if isinstance(value, str) else "FP64",
                "data": [value],
            }
            for name, value in zip(COLUMNS, ROW, strict=True)
        ]
    else:
        data = FEATURES if model == "keras" else [0.1 * (n % 9973) for n in range(LARGE)]
        inputs = [{"name": "x", "shape": [1, len(data)], "datatype": "FP32", "data": data}]
    return Ask("/v2/models/model/infer", json.dumps({"inputs": inputs}).encode())


def large_binary() -> Ask:
    """Return 4 MB of numbers by the binary tensor extension."""
    size = 4 * LARGE
    tensor = {"name": "x", "shape": [1, LARGE], "datatype": "FP32"}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": size}}]}).encode()
    header = {"Inference-Header-Content-Length": str(len(head))}
    return Ask("/v2/models/model/infer", head + large_plain(), header)


def large_plain() -> bytes:
    """Return the bytes of 4 MB of numbers."""
    return struct.pack(f"<{LARGE}f", *(0.1 * (n % 9973) for n in range(LARGE)))


def signature(model: str) -> dict[str, object]:
    """Return the signature of a model that `ours/` loads."""
    width, answered = (LARGE, 2) if model == "numpy" else (10, 10)
    outputs = [{"name": "y", "dtype": "FP32", "shape": [-1, answered]}]
    inputs = [{"name": "x", "dtype": "FP32", "shape": [-1, width]}]
    return {"style": "tensors", "inputs": inputs, "outputs": outputs}


def ours(model: str, folder: str, ask: Ask, *, name: str = "this service", **settings: str) -> Side:
    """Return our side: an artifact made by hand around the same model."""
    place = os.path.join(folder, f"ours-{model}")
    os.makedirs(place, exist_ok=True)
    guest = {"version": 1, "kind": "inference", "artifact": place, "cwd": "", "sys_path": []}
    Path(place, "guest.json").write_text(json.dumps(guest))
    if model in ("keras", "sklearn"):
        _save(model, place, folder)
    else:
        _write_artifact(model, place)
    return Side(
        name,
        "peer-fastapi",
        ("{python}", str(SERVE)),
        "/v2/health/ready",
        ask,
        {
            "CONTAINERIZE_GUEST_CONFIG": f"{place}/guest.json",
            "CONTAINERIZE_PORT": "{port}",
            "CONTAINERIZE_HOST": "127.0.0.1",
            "CONTAINERIZE_WORKERS": "1",
            **settings,
        },
    )


def _save(model: str, place: str, folder: str) -> None:
    """Have our adapter save the model, once."""
    if not os.path.exists(f"{place}/artifact.json"):
        env = {**os.environ, "BENCH_MODEL": model, "BENCH_FOLDER": folder}
        command = [
            python_of("peer-fastapi"),
            str(PEERS / "our_artifact.py"),
            str(SERVE.parent),
            place,
        ]
        subprocess.run(command, env=env, cwd=PEERS, check=True, stderr=subprocess.DEVNULL)


def _write_artifact(model: str, place: str) -> None:
    """Write the artifact of a model that `ours/` loads."""
    artifact = {
        "version": 1,
        "name": "model",
        "adapter": f"ours.{model}_model",
        "framework": {"name": model, "version": ""},
        "signature": signature(model),
        "batches": model != "numpy",
        "max_batch_size": 64,
        "fork_safe": True,
        "example": json.loads(rows_json(model).body) if model != "numpy" else None,
    }
    Path(place, "artifact.json").write_text(json.dumps(artifact))


def fastapi(ask: Ask) -> Side:
    """Return the hand-written app under uvicorn."""
    command = ("{python}", "-m", "uvicorn", "fastapi_app:app", "--port", "{port}",
               "--log-level", "warning")  # fmt: skip
    return Side("FastAPI", "peer-fastapi", command, "/ready", ask)


def litserve(model: str) -> Side:
    """Return LitServe."""
    command = ("{python}", str(PEERS / "litserve_app.py"))
    return Side("LitServe", "peer-litserve", command, "/health", rows_json(model),
                {"PORT": "{port}"})  # fmt: skip


def mlserver(model: str, folder: str, ask: Ask) -> Side:
    """Return MLServer, its settings written."""
    place = os.path.join(folder, f"mlserver-{model}")
    os.makedirs(place, exist_ok=True)
    settings = {
        "debug": False, "parallel_workers": 0,
        "host": "127.0.0.1", "logging_settings": None, "gzip_enabled": False,
    }  # fmt: skip
    model_settings = {
        "name": "model",
        "implementation": "mlserver_app.Runtime",
        **({} if model == "numpy" else {"max_batch_size": 64, "max_batch_time": 0.001}),
    }
    Path(place, "settings.json").write_text(json.dumps(settings))
    Path(place, "model-settings.json").write_text(json.dumps(model_settings))
    command = ("{bin}/mlserver", "start", place)
    return Side(
        "MLServer", "peer-mlserver", command, "/v2/models/model/ready", ask,
        {"MLSERVER_HTTP_PORT": "{port}", "MLSERVER_GRPC_PORT": "{port1}",
         "MLSERVER_METRICS_PORT": "{port2}"},
    )  # fmt: skip


def bentoml(model: str) -> Side:
    """Return BentoML."""
    command = ("{python}", "-m", "bentoml", "serve", "bentoml_app:Service", "--port", "{port}")
    return Side("BentoML", "peer-bentoml", command, "/readyz", rows_json(model))


def mlflow(model: str, folder: str) -> Side:
    """Return MLflow's scoring server, its model saved."""
    python = python_of("peer-mlflow")
    place = os.path.join(folder, f"mlflow-{model}")
    if not os.path.exists(place):
        subprocess.run([python, str(PEERS / "mlflow_app.py"), place], check=True, cwd=PEERS,
                       env={**os.environ, "BENCH_MODEL": model, "BENCH_FOLDER": folder})  # fmt: skip
    if model == "keras":
        body: dict[str, object] = {"inputs": [FEATURES]}
    else:
        body = {"dataframe_split": {"columns": COLUMNS, "data": [ROW]}}
    ask = Ask("/invocations", json.dumps(body).encode())
    command = ("{python}", "-m", "mlflow", "models", "serve", "-m", place, "-p", "{port}",
               "--env-manager", "local", "--workers", "1")  # fmt: skip
    return Side("MLflow", "peer-mlflow", command, "/ping", ask)


def raw(ask: Ask) -> Side:
    """Return the floor: bodies read with `recv_into`, nothing done with them."""
    command = ("{python}", str(PEERS / "raw_app.py"))
    return Side("raw", "peer-fastapi", command, "/", ask, {"PORT": "{port}"})
