"""BentoML, with adaptive batching."""

from __future__ import annotations

import bentoml
import models
import numpy as np


@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Service:
    def __init__(self) -> None:
        if models.NAME == "keras":
            self.model = models.load_keras()
        else:
            self.model = models.load_sklearn()

    if models.NAME == "keras":

        @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=200)
        def predict(self, rows: np.ndarray) -> np.ndarray:
            return self.model.predict_on_batch(rows.astype("float32"))

    else:

        @bentoml.api
        def predict(self, rows: list) -> list:
            import pandas as pd

            return self.model.predict(pd.DataFrame(rows, columns=models.COLUMNS)).tolist()
