"""The benchmark's models, the same in every server: by name, with a row of input."""

from __future__ import annotations

import os
import pickle
import sys

FOLDER = os.environ.get("BENCH_FOLDER", "")
NAME = os.environ.get("BENCH_MODEL", "")
COLUMNS = [f"n{number}" for number in range(8)] + ["city", "kind"]
ROW = [0.5, -1.25, 3.0, 0.1, 2.5, -0.75, 1.0, 0.2, "Riga", "b"]
FEATURES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def make() -> None:
    """Write the models into the folder."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    keras.utils.set_random_seed(7)
    dense = keras.layers.Dense
    layers = [keras.Input(shape=(10,)), dense(64, activation="relu"), dense(64, activation="relu")]
    keras.Sequential([*layers, dense(10, activation="softmax")]).save(f"{FOLDER}/classifier.keras")
    with open(f"{FOLDER}/pipeline.pickle", "wb") as file:
        pickle.dump(fitted(), file)


def load_keras():
    """Return the classifier of examples/keras_classifier (random weights: speed is the same)."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    return keras.models.load_model(f"{FOLDER}/classifier.keras")


def load_sklearn():
    """Return a pipeline over a frame of eight numbers and two texts."""
    import pandas  # noqa: F401 - what asks it needs frames

    with open(f"{FOLDER}/pipeline.pickle", "rb") as file:
        return pickle.load(file)


def fitted():
    """Return that pipeline, fitted here."""
    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    random = np.random.default_rng(7)
    frame = pd.DataFrame(random.normal(size=(2000, 8)), columns=COLUMNS[:8])
    frame["city"] = random.choice(["Riga", "Oslo", "Bern", "Rome"], 2000)
    frame["kind"] = random.choice(["a", "b", "c"], 2000)
    target = (frame["n0"] + (frame["city"] == "Riga") > 0).astype(int)
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), COLUMNS[:8]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), COLUMNS[8:]),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=500)).fit(frame, target)


def largest(x):
    """Return the mean and the maximum of each row: the numpy callable."""
    import numpy as np

    return np.stack([x.mean(axis=1), x.max(axis=1)], axis=1)


if __name__ == "__main__":
    make()
    print(sys.version.split()[0], pickle.HIGHEST_PROTOCOL)
