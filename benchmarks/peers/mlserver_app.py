"""MLServer, with adaptive batching and a custom runtime."""

from __future__ import annotations

import models
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Runtime(MLModel):
    async def load(self) -> bool:
        if models.NAME == "keras":
            self.model = models.load_keras()
        elif models.NAME == "sklearn":
            self.model = models.load_sklearn()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        if models.NAME == "sklearn":
            output = self.model.predict(PandasCodec.decode_request(payload))
        else:
            x = NumpyCodec.decode_input(payload.inputs[0])
            if models.NAME == "keras":
                output = self.model.predict_on_batch(x)
            else:
                output = models.largest(x)
        encoded = NumpyCodec.encode_output("y", output)
        return InferenceResponse(model_name=self.name, outputs=[encoded])
