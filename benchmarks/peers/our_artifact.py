"""Saves a model by our own adapters, as `serve` does in a kernel: `our_artifact.py GUEST FOLDER`."""

from __future__ import annotations

import importlib
import json
import os
import sys
import types

import models


def main():
    guest, folder = sys.argv[1:]
    package = types.ModuleType("guest")
    package.__path__ = [guest]
    sys.modules["guest"] = package
    adapters = importlib.import_module("guest.adapters")
    value = getattr(models, f"load_{models.NAME}")()
    name, adapter = adapters.find(value)
    artifact = {"version": 1, "name": "model", "adapter": name, "example": None}
    artifact.update(adapter.save(value, folder))
    for needless in ("findings", "uses"):
        artifact.pop(needless, None)
    model = adapters.original(adapter, value, folder, artifact)
    answers, _ = adapters.asked(model, adapters.questions(adapter, None, artifact))
    adapters.complete(artifact, answers)
    with open(os.path.join(folder, "artifact.json"), "w") as file:
        json.dump(artifact, file)


main()
