"""Every adapter with its real framework: saved, loaded in a fresh process, asked, converted."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from jupyter_containerize.errors import ContainerizeError

TABLE = """
import numpy as np, pandas as pd
import matplotlib.pyplot as plt
rng = np.random.default_rng(0)
X = pd.DataFrame({
    "age": rng.integers(18, 80, 300).astype(float), "rooms": rng.integers(0, 9, 300),
    "city": rng.choice(["Oslo", "Rome", "Lima"], 300), "owns": rng.random(300) > .5,
    "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 300), "D"),
})
X.loc[3, "age"] = np.nan
N = X[["age", "rooms"]].fillna(30.0); M = N.to_numpy()
y = np.where(X.rooms > 4, "large", "small"); t = (X.rooms * 2.5 + 1).to_numpy()
C = N.assign(city=pd.Categorical(X.city))
"""
SKLEARN = """
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
numbers = make_pipeline(SimpleImputer(), StandardScaler())
pipe = Pipeline([
    ("columns", ColumnTransformer([
        ("numbers", numbers, ["age", "rooms"]), ("city", OneHotEncoder(handle_unknown="ignore"), ["city"]),
    ])), ("model", LogisticRegression()),
]).fit(X, y)
forest = RandomForestRegressor(5, random_state=0).fit(M, t)
texts = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good", "bad", "so good"], [1, 0, 1])
FACTOR = 10
def scaled(values): return values * FACTOR
class Clipper(BaseEstimator, TransformerMixin):
    def __init__(self, top=50): self.top = top
    def fit(self, X, y=None): self.seen_ = len(X); return self
    def transform(self, X): return np.minimum(X, self.top)
own = make_pipeline(Clipper(40), FunctionTransformer(scaled), LogisticRegression()).fit(M, y)
closing = make_pipeline(FunctionTransformer(lambda v: v), LogisticRegression()).fit(M, y)
unfitted = LogisticRegression()
Z = pd.DataFrame({
    "zoned": pd.to_datetime(["2026-01-05", "2026-07-05"]).tz_localize("Europe/Oslo"),
    "span": pd.to_timedelta([36, 5], "h"), "kind": pd.Categorical(["a", "b"]), "note": pd.Series(["x", None], dtype=object),
    "small": np.float32([1.5, 2]), "maybe": pd.array([1, None], dtype="Int64"),
})
def flat(df):
    return pd.DataFrame({
        "hour": df.zoned.dt.tz_convert("UTC").dt.hour, "span": df.span.dt.total_seconds(),
        "kind": df.kind.cat.codes, "note": df.note.map(lambda one: len(one or "")), "all": df.dtypes.astype(str).str.len().sum(),
        "small": df.small, "maybe": df.maybe.fillna(-1).astype(float),
    })
columns = make_pipeline(FunctionTransformer(flat), LogisticRegression()).fit(Z, [0, 1])
def total(df): return float((df.age.fillna(0) * df.rooms).sum())
def judge(df):
    found = pipe.predict_proba(df)[:, 0]
    return pd.DataFrame({"large": found, "sure": abs(found - .5) > .3})
"""
TREES = """
import lightgbm, xgboost
label = (X.rooms > 4).astype(int)
xc = xgboost.XGBClassifier(n_estimators=5).fit(N, label)
xr = xgboost.XGBRegressor(n_estimators=5).fit(M, t)
xk = xgboost.XGBClassifier(n_estimators=5, enable_categorical=True).fit(C, label)
booster = xgboost.train({}, xgboost.DMatrix(N, label=label), 4)
lc = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(C, y)
lr = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(M, t)
"""
ONNX = """
import onnx, onnxruntime, skl2onnx
from sklearn.linear_model import LinearRegression
proto = skl2onnx.to_onnx(LinearRegression().fit(M, t), M[:1].astype("float32"))
session = onnxruntime.InferenceSession(proto.SerializeToString())
"""
KERAS = """
import os; os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np, tensorflow as tf
from keras import layers
keras.utils.set_random_seed(1)
x = np.ones((5, 10), "float32")
model = keras.Sequential([keras.Input((10,)), layers.Dense(4, activation="relu"), layers.Dense(3, activation="softmax")])
BY = 2.0
class Twice(layers.Layer):
    def call(self, x): return x * BY
def swish2(x): return x * tf.sigmoid(x)
first, second = keras.Input((4,), name="first"), keras.Input((3,), name="second", dtype="int32")
joined = layers.Concatenate()([first, layers.Embedding(10, 2)(second)[:, 0, :]])
two = keras.Model([first, second], [layers.Dense(1, name="score", activation=swish2)(Twice()(joined)), layers.Dense(2, name="other")(joined)])
class Own(keras.Model):
    def __init__(self, **more): super().__init__(**more); self.dense = layers.Dense(2)
    def call(self, x): return self.dense(x)
own = Own(); own(x)
class Module(tf.Module):
    def __init__(self): self.w = tf.Variable(3.0)
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def __call__(self, x): return x * self.w
module = Module()
nameless = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda v: v * 2), layers.Dense(1)])
def best(x): return model.predict(x, verbose=0).argmax(axis=1)
"""
TORCH = """
import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(1)
chain = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))
HIDDEN = 6
class Net(nn.Module):
    def __init__(self, hidden=HIDDEN):
        super().__init__()
        self.one, self.two, self.scale = nn.Linear(3, hidden), nn.Linear(hidden, 2), 1.5
        self.norm = nn.BatchNorm1d(hidden); self.act = F.relu
        self.register_buffer("shift", torch.ones(2))
        self.tied = self.two.weight
    def forward(self, values, more=None):
        return self.two(self.norm(self.act(self.one(values)))) * self.scale + self.shift
net = Net()
script = torch.jit.script(nn.Linear(3, 2))
meta = torch.ones(2, device="meta")
def elsewhere(x: int): return x + len(meta)
def scored(values):
    with torch.no_grad():
        return net.eval()(torch.tensor(values)).softmax(dim=1)
"""
PLOTTING = {"matplotlib", "PIL", "IPython", "mpl_toolkits"}


@pytest.fixture(scope="module")
def sklearn(serving_kernel):
    asked = [
        ("pipe", "X.head()"), "forest", ("texts", "['good', 'very bad']"), ("own", "M[:4]"), "closing", "unfitted",
        ("judge", "X.head()"), ("pipe.predict_proba", "X.head(2)"), ("forest", "M[:2, :1]"), ("pipe", "X[['age']]"),
        "pipe", ("total", "X.head(3)"), ("columns.decision_function", "Z"),
    ]  # fmt: skip
    keys = [
        "pipe",
        "forest",
        "texts",
        "own",
        "closing",
        "unfitted",
        "judge",
        "proba",
        "narrow",
        "lacking",
        "bare",
        "total",
        "columns",
    ]
    found = serving_kernel("serving").save([TABLE, SKLEARN], asked)
    return dict(zip(keys, found, strict=True))


@pytest.mark.parametrize(
    "name", ["pipe", "forest", "texts", "own", "judge", "proba", "bare", "total"]
)
def test_scikit_learn_answers_in_a_fresh_process(sklearn, name):
    assert len(sklearn[name].tried().answers) >= 2
    assert not sklearn[name].packages() & {*PLOTTING, "tensorflow", "xgboost", "onnxruntime"}


def test_columns_of_every_kind_come_back_as_the_model_was_given_them(sklearn):
    """Times of a zone in winter and summer, spans, categories, missing text, whole numbers with gaps."""
    assert sklearn["columns"].tried().answers == tuple(sklearn["columns"].answers)


def test_scikit_learn_is_saved_by_skops_with_its_own_types(sklearn):
    assert sklearn["pipe"].codes == sklearn["own"].codes == []
    assert sklearn["pipe"].artifact["data"]["file"] == "model.skops"
    assert "class Clipper" in sklearn["own"].definitions
    assert "FACTOR = 10" in sklearn["own"].definitions


def test_scikit_learn_signatures(sklearn):
    assert sklearn["pipe"].inputs == {
        "age": ("FP64", (-1,)), "rooms": ("INT64", (-1,)), "city": ("BYTES", (-1,)),
        "owns": ("BOOL", (-1,)), "since": ("BYTES", (-1,)),
    }  # fmt: skip
    assert sklearn["pipe"].outputs == {"prediction": ("BYTES", (-1,))}
    assert sklearn["proba"].outputs == {"predict_proba": ("FP64", (-1, 2))}
    assert sklearn["forest"].inputs == {"x": ("FP64", (-1, 2))}
    assert sklearn["texts"].inputs == {"x": ("BYTES", (-1,))}
    assert sklearn["judge"].outputs == {"large": ("FP64", (-1,)), "sure": ("BOOL", (-1,))}
    cities = next(one for one in sklearn["bare"].signature["inputs"] if one["name"] == "city")
    assert cities["categories"] == ["Lima", "Oslo", "Rome"]


def test_questions_cover_missing_values_and_unseen_categories(sklearn):
    rows = [row for one in sklearn["bare"].questions for row in one["rows"]]
    assert any(row["city"] == "never seen before" for row in rows)
    with_example = [row for one in sklearn["pipe"].questions for row in one["rows"]]
    assert any(row["age"] is None for row in with_example)


@pytest.mark.parametrize(
    ("name", "code"),
    {"unfitted": "not-fitted", "narrow": "bad-example", "lacking": "bad-example"}.items(),
)
def test_scikit_learn_errors(sklearn, name, code):
    assert sklearn[name].error.code == code
    assert sklearn[name].error.why


def test_a_pipeline_with_a_lambda_is_refused(sklearn):
    """Neither skops nor pickle can save a lambda; the error says what to do."""
    error = sklearn["closing"].error
    assert error.code == "not-saved"
    assert "name" in error.fix


def test_scikit_learn_converts_where_the_answers_stay_the_same(sklearn):
    rows = sklearn["forest"].compiled().facts["modules"]
    found = {row[0].split(".")[0] for row in rows if row[4] and "-packages/" in row[1]}
    assert found == {"numpy", "onnxruntime"}
    for name in ("own", "judge"):
        with pytest.raises(ContainerizeError) as caught:
            sklearn[name].compiled()
        assert caught.value.what or caught.value.why


@pytest.fixture(scope="module")
def trees(serving_kernel):
    names = [
        "xc",
        "xr",
        ("xk", "C.head()"),
        "booster",
        ("lc", "C.head()"),
        ("lc.predict_proba", "C.head()"),
        "lr",
        "xk",
    ]
    found = serving_kernel("serving").save([TABLE, TREES], names)
    return dict(zip(["xc", "xr", "xk", "booster", "lc", "lp", "lr", "needs"], found, strict=True))


@pytest.mark.parametrize("name", ["xc", "xr", "xk", "booster", "lc", "lp", "lr"])
def test_trees_answer_in_a_fresh_process(trees, name):
    trees[name].tried()
    other = {"lightgbm"} if name.startswith("x") or name == "booster" else {"xgboost", "sklearn"}
    assert not trees[name].packages() & {*PLOTTING, *other}


def test_trees_are_saved_in_their_own_formats(trees):
    assert trees["xc"].artifact["data"]["file"].endswith(".ubj")
    assert trees["lc"].artifact["data"]["file"].endswith(".txt")
    assert trees["lc"].outputs == {"prediction": ("BYTES", (-1,))}
    assert "sklearn" not in trees["booster"].packages()
    assert trees["needs"].error.code == "example-needed"


def test_trees_convert(trees):
    for name in ("xr", "lr"):
        assert trees[name].compiled().answers, name
    with pytest.raises(ContainerizeError, match="Categorical"):
        trees["xk"].compiled()


def test_onnx_models_and_sessions(serving_kernel):
    model, session = serving_kernel("serving").save(
        [TABLE, ONNX], ["proto", ("session", "M[:2].astype('float32')")]
    )
    for one in (model, session):
        one.tried()
        assert one.packages() == {"numpy", "onnxruntime"}
        assert one.inputs == {"X": ("FP32", (-1, 2))}


@pytest.fixture(scope="module")
def keras(serving_kernel):
    asked = [
        "model",
        "two",
        ("own", "x"),
        "module",
        ("best", "x"),
        "nameless",
        ("model", "x[:, :3]"),
        "own",
    ]
    keys = ["model", "two", "own", "module", "best", "nameless", "narrow", "needs"]
    return dict(zip(keys, serving_kernel("serving").save(KERAS, asked), strict=True))


@pytest.mark.parametrize("name", ["model", "two", "own", "module", "best", "nameless"])
def test_keras_and_tensorflow_answer_in_a_fresh_process(keras, name):
    keras[name].tried()
    assert not keras[name].packages() & {*PLOTTING, "sklearn", "pandas"}


def test_keras_signatures(keras):
    assert keras["two"].inputs == {"first": ("FP32", (-1, 4)), "second": ("INT32", (-1, 3))}
    assert keras["two"].outputs == {"score": ("FP32", (-1, 1)), "other": ("FP32", (-1, 2))}
    assert "class Twice" in keras["two"].definitions
    assert keras["nameless"].codes == ["lambda-layer"]
    assert "lambda-layer" not in keras["model"].codes
    assert keras["narrow"].error.code == "bad-example"
    assert keras["needs"].error.code == "example-needed"


def test_keras_converts_and_saves_most_of_it(keras):
    tried, plain = keras["model"].compiled(), keras["model"].tried()
    assert tried.memory_bytes < plain.memory_bytes / 3
    assert tried.load_cpu_seconds < plain.load_cpu_seconds / 3


@pytest.fixture(scope="module")
def torch(serving_kernel, require):
    here = subprocess.run(
        ["/usr/bin/python3", "-c", "import torch"], capture_output=True
    ).returncode
    require(here == 0, "PyTorch (Debian: python3-torch)")
    asked = [
        "chain",
        ("net", "torch.ones(2, 3)"),
        ("script", "torch.ones(2, 3)"),
        ("scored", "[[1., 2., 3.]]"),
        "net",
        "elsewhere",
    ]
    return dict(
        zip(
            ["chain", "net", "script", "scored", "needs", "meta"],
            serving_kernel("torch").save(TORCH, asked),
            strict=True,
        )
    )


@pytest.mark.parametrize("name", ["chain", "net", "script", "scored"])
def test_torch_answers_in_a_fresh_process(torch, name):
    torch[name].tried()


def test_torch_is_saved_by_class_and_tensors(torch):
    assert torch["chain"].codes == ["in-training-mode"]
    assert torch["chain"].inputs == {"input": ("FP32", (-1, 4))}
    assert "class Net" in torch["net"].definitions
    assert torch["needs"].error.code == "example-needed"
    assert torch["meta"].error.code == "gpu-tensor"  # no GPU here: `meta` is no CPU either


def test_torch_converts(torch):
    torch["net"].compiled()


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("sklearn", "forest"), ("sklearn", "judge"), ("trees", "xc"), ("trees", "lr"),
        ("keras", "model"), ("torch", "net"),
    ],
)  # fmt: skip
@pytest.mark.timeout(600)
def test_every_one_of_several_workers_answers(group, name, request, service_runs, environment):
    """Also where the framework's threads do not bear a fork: those are loaded after it."""
    saved = request.getfixturevalue(group)[name]
    kernel = environment("torch" if group == "torch" else "serving")
    run = service_runs.ServiceRun("", inputs=[], outputs=[], python=kernel, artifact=saved.folder)
    with run:
        run.start(wait=False, workers=2)
        run.wait_ready(280)
        deadline = time.monotonic() + 280
        while run.metric("containerize_workers") < 2:
            assert time.monotonic() < deadline, run.log
            time.sleep(0.1)
        connections = [run.connect() for _ in range(4)]  # each goes to the worker with the fewest
        for connection in connections:
            connection.timeout = 120
            connection.request("POST", "/predict", json.dumps(saved.questions[0]))
            answer = connection.getresponse()
            assert answer.status == 200, (answer.read(), run.log)
            answer.read()
        for connection in connections:
            connection.close()
        assert not run.events_of("worker-died")
