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
from sklearn.experimental import enable_iterative_imputer
from sklearn.feature_extraction import DictVectorizer
from sklearn.cluster import KMeans
from sklearn.impute import IterativeImputer
from sklearn.model_selection import RandomizedSearchCV
gaps = X.assign(city=X.city.where(X.index % 9 > 0))
nested = make_pipeline(ColumnTransformer([
    ("numbers", numbers, ["age", "rooms"]), ("note", TfidfVectorizer(), "note"),
    ("city", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), [2]),
]), LogisticRegression()).fit(gaps[["age", "rooms", "city"]].assign(note="so good"), y)
one_row = dict(nested.feature_names_in_[:0], age=30.0, rooms=2, city=np.nan, note="good")
filled = make_pipeline(IterativeImputer(), LogisticRegression()).fit(X[["age", "rooms"]].to_numpy(), y)
bags = make_pipeline(DictVectorizer(), LogisticRegression()).fit([{"a": 1, "city": "Oslo"}, {"b": 2}], ["yes", "no"])
search = RandomizedSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [1, 2]}, n_iter=1).fit(N, y)
groups = KMeans(3, n_init=1, random_state=0).fit(N)
from scipy.sparse import csr_matrix
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
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
parts = ColumnTransformer([("city", OneHotEncoder(), ["city"]), ("rooms", "passthrough", ["rooms"])])
xp = make_pipeline(parts, xgboost.XGBClassifier(n_estimators=5)).fit(X, label)
lq = make_pipeline(parts, lightgbm.LGBMRegressor(n_estimators=5, verbose=-1)).fit(X, t)
raw = lightgbm.train({"verbose": -1}, lightgbm.Dataset(M, label=t), 3)
def both(rows: list[tuple[float, float]]): return raw.predict(np.array(rows)) + lr.predict(np.array(rows))
"""
ONNX = """
import onnx, onnxruntime, skl2onnx
from sklearn.linear_model import LinearRegression
proto = skl2onnx.to_onnx(LinearRegression().fit(M, t), M[:1].astype("float32"))
session = onnxruntime.InferenceSession(proto.SerializeToString())
def ask(rows: list[tuple[float, float]]): return session.run(None, {"X": np.array(rows, "float32")})[0][:, 0]
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
class Pair(keras.Model):
    def __init__(self, **more): super().__init__(**more); self.dense = layers.Dense(2)
    def call(self, given): first, second = given; return self.dense(first) - self.dense(second)
pair = Pair()
words = layers.TextVectorization(output_sequence_length=3); words.adapt(["the cat sat", "a dog"])
text = keras.Sequential([keras.Input((1,), dtype="string"), words, layers.Embedding(9, 2), layers.Flatten(), layers.Dense(1)])
later = keras.Sequential([layers.Dense(2)])
alone = layers.Dense(2)
def known(text: str) -> list: return [words.get_vocabulary()[:2], module(tf.ones((1, 2)))]
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
        "nested", ("nested", "one_row"), ("nested", "[one_row, one_row]"), ("nested", "pd.Series(one_row)"),
        "filled", ("bags", "[{'a': 1}, {'city': 'Oslo'}]"), ("search.predict_proba", "N.head(3)"), "groups",
        ("forest", "csr_matrix(M[:2])"), ("forest", "np.array([(1.0, 2)], dtype=[('a', 'f8'), ('b', 'i4')])"),
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
        *("nested", "of a dict", "of dicts", "of a series", "filled", "bags", "search", "groups"),
        *("sparse", "structured"),
    ]
    found = serving_kernel("serving").save([TABLE, SKLEARN], asked)
    return dict(zip(keys, found, strict=True))


@pytest.mark.parametrize(
    "name",
    [
        "pipe",
        "forest",
        "texts",
        "own",
        "judge",
        "proba",
        "bare",
        "total",
        "nested",
        "filled",
    ],
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


def test_what_parts_learnt_within_parts_is_the_signature(sklearn):
    """Columns by name, by place and by a bare name; categories behind an imputer, text, gaps."""
    inputs = {one["name"]: one for one in sklearn["nested"].signature["inputs"]}
    kinds = {name: one["dtype"] for name, one in inputs.items()}
    assert kinds == {"age": "FP64", "rooms": "FP64", "city": "BYTES", "note": "BYTES"}
    assert inputs["city"]["categories"] == ["Lima", "Oslo", "Rome"]
    assert {name for name, one in inputs.items() if one["optional"]} == {"age", "rooms", "city"}


@pytest.mark.parametrize("name", ["of a dict", "of dicts", "of a series"])
def test_rows_are_examples_in_any_form_and_may_lack_values(sklearn, name):
    inputs = {one["name"]: one for one in sklearn[name].signature["inputs"]}
    assert (inputs["city"]["dtype"], inputs["city"]["optional"]) == ("BYTES", True)
    first = sklearn[name].questions[0]["rows"][0]
    assert first == {"age": 30.0, "rooms": 2, "city": None, "note": "good"}


def test_dicts_as_rows_over_http(sklearn, service_runs, environment):
    assert sklearn["bags"].inputs == {"x": ("JSON", (-1,))}
    python, folder = environment("serving"), sklearn["bags"].folder
    with service_runs.ServiceRun("", inputs=[], outputs=[], python=python, artifact=folder) as run:
        run.start(wait=False, workers=1)
        run.wait_ready(280)
        assert run.predict({"rows": [{"x": {"city": "Oslo"}}, {"x": {"b": 2}}]}).json == {
            "rows": [{"prediction": "yes"}, {"prediction": "no"}]
        }


def test_questions_cover_missing_values_and_unseen_categories(sklearn):
    rows = [row for one in sklearn["bare"].questions for row in one["rows"]]
    assert any(row["city"] == "never seen before" for row in rows)
    with_example = [row for one in sklearn["pipe"].questions for row in one["rows"]]
    assert any(row["age"] is None for row in with_example)


@pytest.mark.parametrize(
    ("name", "code"),
    {
        "unfitted": "not-fitted",
        "narrow": "bad-example",
        "lacking": "bad-example",
        "structured": "bad-example",
    }.items(),
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
    assert sklearn["sparse"].inputs == sklearn["forest"].inputs
    for name in ("search", "groups"):
        sklearn[name].compiled()
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
        *(("xp.predict_proba", "X.head()"), ("lq", "X.head()"), "both"),
    ]
    found = serving_kernel("serving").save([TABLE, TREES], names)
    keys = ["xc", "xr", "xk", "booster", "lc", "lp", "lr", "needs", "xp", "lq", "both"]
    return dict(zip(keys, found, strict=True))


@pytest.mark.parametrize("name", ["xc", "xr", "xk", "booster", "lc", "lp", "lr"])
def test_trees_answer_in_a_fresh_process(trees, name):
    trees[name].tried()
    other = {"lightgbm"} if name.startswith("x") or name == "booster" else {"xgboost", "sklearn"}
    assert not trees[name].packages() & {*PLOTTING, *other}


def test_a_function_brings_boosters_as_text(trees):
    assert trees["both"].codes == []
    assert trees["both"].tried().answers == tuple(trees["both"].answers)
    assert trees["both"].outputs == {"prediction": ("FP64", (-1,))}


def test_trees_are_saved_in_their_own_formats(trees):
    assert trees["xc"].artifact["data"]["file"].endswith(".ubj")
    assert trees["lc"].artifact["data"]["file"].endswith(".txt")
    assert trees["lc"].outputs == {"prediction": ("BYTES", (-1,))}
    assert "sklearn" not in trees["booster"].packages()
    assert trees["needs"].error.code == "example-needed"


def test_trees_convert(trees):
    for name in ("xr", "lr", "xp", "lq"):
        assert trees[name].compiled().answers, name
    with pytest.raises(ContainerizeError, match="Categorical"):
        trees["xk"].compiled()


@pytest.fixture(scope="module")
def onnx(serving_kernel):
    asked = ["proto", ("session", "M[:2].astype('float32')"), "ask"]
    found = serving_kernel("serving").save([TABLE, ONNX], asked)
    return dict(zip(["model", "session", "within"], found, strict=True))


@pytest.mark.parametrize("name", ["model", "session"])
def test_onnx_models_and_sessions(onnx, name):
    onnx[name].tried()
    assert onnx[name].packages() == {"numpy", "onnxruntime"}
    assert onnx[name].inputs == {"X": ("FP32", (-1, 2))}


def test_a_function_brings_its_session(onnx):
    assert onnx["within"].codes == []
    assert onnx["within"].tried().answers == tuple(onnx["within"].answers)


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
        *(
            ("pair", "[x, x]"),
            ("text", "['the cat', 'a dog']"),
            ("later", "x"),
            ("alone", "x"),
            "known",
        ),
    ]
    keys = ["model", "two", "own", "module", "best", "nameless", "narrow", "needs"]
    keys += ["pair", "text", "later", "alone", "known"]
    return dict(zip(keys, serving_kernel("serving").save(KERAS, asked), strict=True))


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "two",
        "own",
        "module",
        "best",
        "nameless",
        "pair",
        "text",
        "later",
        "alone",
        "known",
    ],
)
def test_keras_and_tensorflow_answer_in_a_fresh_process(keras, name):
    keras[name].tried()
    assert not keras[name].packages() & {*PLOTTING, "sklearn", "pandas"}


def test_keras_signatures(keras):
    assert keras["two"].inputs == {"first": ("FP32", (-1, 4)), "second": ("INT32", (-1, 3))}
    assert keras["two"].outputs == {"score": ("FP32", (-1, 1)), "other": ("FP32", (-1, 2))}
    assert keras["pair"].inputs == {"x_0": ("FP32", (-1, 10)), "x_1": ("FP32", (-1, 10))}
    assert keras["text"].inputs == {"x": ("BYTES", (-1, 1))}
    assert keras["text"].questions[0] == {"inputs": {"x": [["the cat"], ["a dog"]]}}
    assert keras["known"].codes == []
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
        ("keras", "model"), ("torch", "net"), ("onnx", "model"),
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
