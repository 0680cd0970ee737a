"""Asks a service by tritonclient, in JSON and in binary; runs in the `clients` environment.

`python triton_client.py HOST:PORT`: the service answers `y = 2 x` (FP32), `n = i + 1` (INT64) and
`text` as it came. Any difference raises.
"""

from __future__ import annotations

import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def check(client, *, binary, **compression):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    counts = np.array([[1], [-(2**40)]], dtype=np.int64)
    texts = np.array([["größe"], [""]], dtype=np.object_)
    flags = np.array([[True], [False]])
    inputs = []
    for name, array, kind in (
        ("x", x, "FP32"), ("i", counts, "INT64"), ("text", texts, "BYTES"), ("flag", flags, "BOOL")
    ):  # fmt: skip
        tensor = triton.InferInput(name, list(array.shape), kind)
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    names = ("y", "n", "text", "flag")
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in names]
    for asked in (outputs, None):
        result = client.infer("model", inputs, outputs=asked, request_id="7", **compression)
        assert result.get_response()["id"] == "7"
        np.testing.assert_array_equal(result.as_numpy("y"), 2 * x)
        np.testing.assert_array_equal(result.as_numpy("n"), counts + 1)
        np.testing.assert_array_equal(result.as_numpy("flag"), flags)
        told = [
            text if isinstance(text, str) else text.decode()
            for text in result.as_numpy("text").reshape(-1)
        ]
        assert told == ["größe", ""], told


def main():
    client = triton.InferenceServerClient(sys.argv[1])
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("model")
    assert client.is_model_ready("model", "1")
    assert not client.is_model_ready("other")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("model")
    assert metadata["inputs"][0] == {"name": "x", "datatype": "FP32", "shape": [-1, 3]}, metadata
    check(client, binary=False)
    check(client, binary=True)
    check(client, binary=True, request_compression_algorithm="gzip")
    check(client, binary=False, request_compression_algorithm="deflate")
    check(client, binary=True, response_compression_algorithm="gzip")
    wrong = triton.InferInput("x", [1, 2], "FP32")
    wrong.set_data_from_numpy(np.zeros((1, 2), np.float32))
    told = "a wrong shape was accepted"
    try:
        client.infer("model", [wrong])
    except InferenceServerException as error:
        told = str(error)
    assert "inputs[0].shape" in told, told
    print("all equal")


if __name__ == "__main__":
    main()
