"""Every way in which a notebook reads a file is seen, in a real kernel with the real libraries."""

from __future__ import annotations

import json
import subprocess
import textwrap

import pytest

from jupyter_containerize.capture import kernel
from jupyter_containerize.capture import notebook as notebook_file
from jupyter_containerize.model.options import CaptureOptions

MAKE = """
import pandas as pd, numpy as np, h5py, sqlite3, os
from PIL import Image
folder, parent, far = {folders!r}
frame = pd.DataFrame({{"a": [1, 2], "b": [3.0, 4.0]}})
for place in (folder, parent, far):
    frame.to_csv(place + "/table.csv", index=False)
    frame.to_parquet(place + "/table.parquet")
    frame.to_parquet(place + "/lazy.parquet")
    frame.to_parquet(place + "/frame.parquet")
    frame.to_feather(place + "/table.feather")
    with h5py.File(place + "/table.h5", "w") as file:
        file["x"] = [1, 2, 3]
    np.arange(10, dtype="int32").tofile(place + "/raw.bin")
    np.save(place + "/array.npy", np.arange(3))
    Image.new("RGB", (4, 4)).save(place + "/picture.png")
    Image.new("RGB", (4, 4)).save(place + "/second.png")
    Image.new("RGB", (4, 4)).save(place + "/third.png")
    base = sqlite3.connect(place + "/base.db")
    base.execute("create table t (x)")
    base.execute("insert into t values (1)")
    base.commit()
    base.close()
"""

#: What is read, and the cell that reads it from `place`.
READERS = {
    "table.csv": "pd.read_csv(f'{place}/table.csv')",
    "table.parquet": "pd.read_parquet(f'{place}/table.parquet')",
    "table.feather": "feather.read_table(f'{place}/table.feather', memory_map=True)",
    "lazy.parquet": "pl.scan_parquet(f'{place}/lazy.parquet').collect()",
    "frame.parquet": "pl.read_parquet(f'{place}/frame.parquet')",
    "table.h5": "h5py.File(f'{place}/table.h5', 'r')['x'][:]",
    "base.db": "sqlite3.connect(f'{place}/base.db').execute('select * from t').fetchall()",
    "raw.bin": "np.memmap(f'{place}/raw.bin', dtype='int32', mode='r').sum()",
    "array.npy": "np.load(f'{place}/array.npy')",
    "picture.png": "Image.open(f'{place}/picture.png').load()",
    "second.png": "cv2.imread(f'{place}/second.png').shape",
    "third.png": "tf.io.read_file(f'{place}/third.png').shape",
}

IMPORTS = """
import pandas as pd, pyarrow.feather as feather, polars as pl, h5py, sqlite3
import numpy as np, cv2, os, tensorflow as tf
from PIL import Image
"""


@pytest.fixture(scope="module")
def science(environment):
    return environment("science")


@pytest.fixture(scope="module")
def seen(science, tmp_path_factory):
    """Run every reader on the notebook's folder, its parent's `data` and a far folder."""
    top = tmp_path_factory.mktemp("reads")
    far = tmp_path_factory.mktemp("far")
    folder, parent = top / "work", top / "data"
    folder.mkdir()
    parent.mkdir()
    places = [str(folder), str(parent), str(far)]
    make = MAKE.format(folders=places)
    subprocess.run([science, "-c", make], check=True)
    cells = [IMPORTS]
    for place in (".", "../data", str(far)):
        cells.append(f"place = {place!r}")
        cells += READERS.values()
    path = folder / "reads.ipynb"
    path.write_text(json.dumps(notebook(cells)))
    record = kernel.record(notebook_file.read(str(path)), options=CaptureOptions(kernel=science))
    return record, dict(zip((".", "../data", "far"), places, strict=True))


def notebook(cells):
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{number}",
                "metadata": {},
                "source": textwrap.dedent(source),
                "outputs": [],
                "execution_count": None,
            }
            for number, source in enumerate(cells, 1)
        ],
    }


@pytest.mark.parametrize("place", [".", "../data", "far"])
@pytest.mark.parametrize("name", READERS)
def test_a_read_is_seen(seen, name, place):
    record, places = seen
    path = f"{places[place]}/{name}"
    found = [row for row in record["opens"] if row["path"] == path]
    assert found, sorted({row["path"] for row in record["opens"] if "/reads" in row["path"]})
    assert found[0]["mode"] in ("r", "rw")
    assert found[0]["size"] > 0
    seqs = {row["seq"] for row in found}
    sources = {e["seq"]: e["source"] for e in record["executions"]}
    assert any(READERS[name] == sources[seq] for seq in seqs)


def test_nothing_was_amiss(seen):
    record, _ = seen
    assert record["problems"] == []
    assert all(execution["success"] for execution in record["executions"])
