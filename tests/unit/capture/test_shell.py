"""Program names read from shell commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containerize.capture.shell import programs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ls", "ls"),
        ("printf 'b\\na\\n' | sort | uniq -c | tr -s ' '", "sort uniq tr"),
        ("wc -l < numbers.txt && grep -c 1 numbers.txt || head x", "wc grep head"),
        ("set -e\nfor i in 1 2; do echo $i; done\nhead -n 2 a | cut -c1-2", "head cut"),
        ("FOO=1 BAR='a b' python x.py 2>&1 >/dev/null | tee log", "python tee"),
        ("env A=1 python x.py", "env python"),
        ('echo "$(date +%Y) and `hostname`"', "date hostname"),
        ("x=$(basename $(pwd))", "basename"),
        ("bash -c 'ls | wc'", "bash ls wc"),
        ("find . -name '*.py' -exec grep y {} \\;", "find grep"),
        ("find . | xargs -n 1 -I{} gzip {}", "find xargs gzip"),
        ("cat <<EOF > f\nrm -rf x\nEOF\nls", "cat ls"),
        ("ls # not | a command\nwho", "ls who"),
        ("if [ -f x ]; then cat x; elif true; then less x; else touch x; fi", "cat less touch"),
        ("(cd sub; make) & wait", "make"),
        ("while read l; do jq . $l; done < f", "jq"),
        ("case $x in a) awk 1;; esac", "awk"),
        ("timeout 10s sleep 1; sudo -E apt-get update", "timeout sleep sudo apt-get"),
        ("./run.sh arg && /usr/bin/env", "./run.sh /usr/bin/env"),
        ("2>/dev/null ls >out", "ls"),
        ("long \\\n  --option", "long"),
        ("curl -s https://x.org/z?a=1 | tar xz", "curl tar"),
        ("ls; ls; ls", "ls"),
        ("$TOOL x; {cmd} y; 'a b' c", ""),
        ("echo $((1+2)); ((i++))", ""),
        ("cut -d'", "cut"),
        ("greet() { figlet $1; }; greet you; function bye { ls; }; bye", "figlet ls"),
        ("alias ll='ls -l'; ll", ""),
        ("", ""),
    ],
)
def test_names_every_program(text, expected):
    assert programs(text) == tuple(expected.split())


@given(st.text(alphabet="ab $(){}<>|&;'\"\\`\n=#1-", max_size=60))
def test_never_fails(text):
    for name in programs(text):
        assert name
