from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_containerize.capture.python_text import python_of
from jupyter_containerize.capture.syntax import names_of


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import pandas as pd, os.path", ["pandas", "os.path"]),
        ("from google.cloud import storage", ["google.cloud"]),
        ("from . import sibling", []),
        ("def f():\n    import lazy", ["lazy"]),
        ("importlib.import_module('a.b')", ["a.b"]),
        ("__import__('c')", ["c"]),
        ("pd?\nimport after", ["after"]),
        ("??pd.read_csv\nimport after", ["after"]),
        ("%%javascript\nimport x from 'y'", []),
        ("%%html\n<b>import z</b>", []),
        ("%%bash\nimport -window root x.png", []),
        ("%%latex\nimport q", []),
        ("%%python\nimport child", ["child"]),
        ("!ls\nimport a", ["a"]),
        ("x = !ls\nimport a", ["a"]),
        ("%pip install numpy\nimport a", ["a"]),
        ("%time import foo", ["foo"]),
        ("%timeit -n 3 -r2 import foo", ["foo"]),
        ("r = %timeit -o import foo", []),
        ("%%time\nimport foo", ["foo"]),
        ("%%capture out --no-stderr\n%%time\nimport foo", ["foo"]),
        ("%load_ext autoreload\n%autoreload 2", ["IPython.extensions.autoreload"]),
        ("%load_ext sql", ["sql"]),
        ("%matplotlib inline", ["matplotlib"]),
        ("%run -m package.tool", ["package.tool"]),
        ("await fetch()\nimport a", ["a"]),
        ("async with x as y:\n    import a", ["a"]),
        ("this is not python\nimport a", ["a"]),
        ("def f(:\n    pass\nimport a", ["a"]),
        ("x = (1,\nimport a", ["a"]),
        ("'''never closed\nimport a", ["a"]),
        ("print 'old'\nimport a", ["a"]),
        ("if True:\n    %time import a\n    !ls", ["a"]),
        ("\n\n  \nimport a", ["a"]),
        ("", []),
        ("ls -l", []),
        ("match x:\n    case 1:\n        import a", ["a"]),
    ],
)
def test_modules(source, modules):
    assert names_of(source).modules == modules


def test_members_may_be_submodules():
    assert names_of("from google.cloud import storage, x as y\nfrom a import *").members == [
        "google.cloud.storage",
        "google.cloud.x",
    ]


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("pd.read_csv('../data/x.csv')", ["../data/x.csv"]),
        ("open('notes.txt')", ["notes.txt"]),
        ("Path('..') / 'data' / 'x.csv'", ["../data/x.csv"]),
        ("os.path.join('a', 'b', 'c.csv')", ["a/b/c.csv"]),
        ("Path('a', 'b.csv').read_text()", ["a/b.csv"]),
        ("f'{base}/x.csv'", []),
        ("'https://x.org/a.csv'", []),
        ("'a sentence without any'", []),
        ("%run helper -x 1", ["helper.py"]),
        ("%run other.ipynb", ["other.ipynb"]),
        (
            "!cat ../data/x.csv 'two words.txt' > out.txt",
            ["../data/x.csv", "two words.txt", "out.txt"],
        ),
        ("import os.path", []),
    ],
)
def test_paths(source, paths):
    assert names_of(source).paths == paths


def test_environment_variables():
    named = names_of(
        "os.environ['A']; os.getenv('B'); os.environ.get('C', 1); environ['D']; 'E' in os.environ\n"
        "os.environ['SET'] = '1'\nif True:\n    !echo $F ${G} $lower\n%env H\n%env I=1"
    )
    assert sorted(named.variables) == ["A", "B", "C", "D", "E", "F", "G", "H"]


def test_commands():
    named = names_of(
        "!cat a | sort && make\nx = !git log\n%%", "%%bash\nwc -l x; FOO=1 head y", "%sx date"
    )
    assert named.commands == ["cat", "sort", "make", "git", "bash", "wc", "head", "date"]
    assert names_of("os.system('tar xf a.tar')").commands == ["tar"]
    assert names_of("%%script perl -w\nls").commands == ["perl"]


def test_python_of_keeps_parameters_readable():
    assert python_of("a = 1  # comment\nb = 'x'") == "a = 1  # comment\nb = 'x'"


@given(st.lists(st.sampled_from(
    ["import a", "if x:", "  y = 1", "%time z", "!ls", "'''", ")", "def f(", "%%bash", "x?", "\\", "\t1", "é ="]
)))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_without_an_error(lines):
    source = "\n".join(lines)
    ast.parse(python_of(source))
    names_of(source)


def test_imports_that_cells_can_do_without():
    named = names_of(
        "try:\n    import fast, slow.part\nexcept (ValueError, ImportError):\n    import plain\n"
        "try:\n    import needed\nexcept ValueError:\n    pass\n"
        "try:\n    import any_way\nexcept:\n    pass"
    )
    assert named.modules == ["fast", "slow.part", "plain", "needed", "any_way"]
    assert named.guarded == ["fast", "slow.part", "any_way"]
