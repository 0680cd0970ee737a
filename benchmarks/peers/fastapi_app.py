"""A hand-written FastAPI app that calls `model.predict`."""

from __future__ import annotations

import models
from fastapi import FastAPI, Request

app = FastAPI()
if models.NAME == "keras":
    import numpy as np

    model = models.load_keras()
    model.predict(np.zeros((1, 10), "float32"), verbose=0)

    @app.post("/predict")
    def predict(body: dict):
        x = np.asarray(body["rows"], "float32")
        return {"rows": model.predict(x, verbose=0).tolist()}

elif models.NAME == "sklearn":
    import pandas as pd

    model = models.load_sklearn()

    @app.post("/predict")
    def predict(body: dict):
        return {"rows": model.predict(pd.DataFrame(body["rows"], columns=models.COLUMNS)).tolist()}

else:
    import numpy as np

    @app.post("/predict")
    async def predict(request: Request):
        x = np.frombuffer(await request.body(), "float32").reshape(1, -1)
        return {"rows": models.largest(x).tolist()}


@app.get("/ready")
def ready():
    return {}
