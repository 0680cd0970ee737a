"""LitServe, with batching and `predict_on_batch`."""

from __future__ import annotations

import os

import litserve
import models


class Api(litserve.LitAPI):
    def setup(self, device):
        if models.NAME == "keras":
            import numpy

            self.np = numpy
            self.model = models.load_keras()
        elif models.NAME == "sklearn":
            import pandas

            self.pd = pandas
            self.model = models.load_sklearn()

    def decode_request(self, request):
        if models.NAME == "keras":
            return self.np.asarray(request["rows"][0], "float32")
        return request["rows"][0]

    def batch(self, inputs):
        if models.NAME == "keras":
            return self.np.stack(inputs)
        return self.pd.DataFrame(inputs, columns=models.COLUMNS)

    def unbatch(self, output):
        return list(output)

    def predict(self, x):
        if models.NAME == "keras":
            return self.model.predict_on_batch(x)
        return self.model.predict(x)

    def encode_response(self, output):
        return {"rows": [output.tolist()]}


if __name__ == "__main__":
    api = Api(max_batch_size=64, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(port=int(os.environ["PORT"]), generate_client_file=False, log_level="error")
