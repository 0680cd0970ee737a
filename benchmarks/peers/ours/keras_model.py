"""How the service runs the Keras classifier: a concrete function of the model."""

from __future__ import annotations

import models


class Model:
    def __init__(self):
        import tensorflow as tf

        loaded = models.load_keras()
        spec = tf.TensorSpec([None, 10], tf.float32)
        self._call = tf.function(loaded).get_concrete_function(spec)
        self._constant = tf.constant

    def predict(self, inputs):
        return {"y": self._call(self._constant(inputs["x"])).numpy()}


def load(folder, artifact):
    return Model()
