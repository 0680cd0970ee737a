"""Saves the model for MLflow's scoring server (`mlflow models serve`)."""

from __future__ import annotations

import sys

import mlflow
import models


class Classifier(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.model = models.load_keras()

    def predict(self, context, model_input, params=None):
        return self.model.predict(model_input, verbose=0)


if __name__ == "__main__":
    if models.NAME == "keras":
        mlflow.pyfunc.save_model(sys.argv[1], python_model=Classifier())
    else:
        mlflow.sklearn.save_model(models.load_sklearn(), sys.argv[1])
