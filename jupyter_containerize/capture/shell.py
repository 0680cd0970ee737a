"""Program names in shell commands, found by reading them, never by running them.

Not a shell: enough of its grammar for the lines that notebooks hold. What it cannot read
yields fewer names, not an error. Source: POSIX.1-2017, Shell Command Language.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

_BUILT_IN_WORDS = """
    . : [ [[ alias bg break cd command continue declare dirs echo eval exec exit export false fc
    fg getopts hash help history jobs kill let local mapfile popd printf pushd pwd read readarray
    readonly return set shift shopt source test times trap true type typeset ulimit umask unalias
    unset wait
"""
_BUILT_IN = frozenset(_BUILT_IN_WORDS.split())
#: Words after which a command may follow at once.
_OPENING = frozenset(
    {"!", "{", "if", "then", "elif", "else", "while", "until", "do", "time", "coproc", "function"}
)
#: Words that are followed by no command; the rest up to the next separator is passed over.
_CLOSING = frozenset({"}", "fi", "done", "esac", "for", "case", "select", "in"})
#: Programs that start the program named among their arguments.
_STARTERS = frozenset(
    {"sudo", "env", "nice", "nohup", "timeout", "xargs", "stdbuf", "setsid", "ionice", "time"}
    | {"command", "exec", "watch", "strace", "taskset", "numactl", "parallel"}
)
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_HERE_DOCUMENT = re.compile(
    r"<<-?\s*(['\"]?)(\w+)\1([^\n]*)\n.*?^\s*\2\s*$", re.DOTALL | re.MULTILINE
)
_ARITHMETIC = re.compile(r"\$?\(\(.*?\)\)", re.DOTALL)
_FUNCTION = re.compile(r"(?:\bfunction\s+|\balias\s+|(?=[\w-]+\s*\(\s*\)))([\w-]+)")
_PLAIN_NAME = re.compile(r"[\w./+~@%:,-]+")
_SEPARATOR = re.compile(r"[();|&\n]+")
_DEPTH_AT_MOST = 5


def programs(text: str) -> tuple[str, ...]:
    """Return the programs that the shell command or script `text` calls, in order, each once.

    The shell's own commands, functions that `text` defines, and names that only a running
    shell knows (`$TOOL`) are left out.
    """
    own = set(_FUNCTION.findall(text))
    return tuple(name for name in dict.fromkeys(_programs(text, _DEPTH_AT_MOST)) if name not in own)


def _programs(text: str, depth: int) -> Iterator[str]:
    if not depth:
        return
    text = _HERE_DOCUMENT.sub(r"\3\n", text.replace("\\\n", " "))
    text = _ARITHMETIC.sub(":", text)
    for words in _commands(text):
        yield from _of_command(words, depth)
    for inner in _substitutions(text):
        yield from _programs(inner, depth - 1)


def _commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple command, without redirections."""
    words: list[str] = []
    redirected = False
    for token in _tokens(text):
        if _SEPARATOR.fullmatch(token):
            yield words
            words, redirected = [], False
        elif token[:1] in ("<", ">") or token.startswith(("&>", ">&")):
            redirected = True
            if words and words[-1].isdigit():
                words.pop()
        elif redirected:
            redirected = False
        else:
            words.append(token)
    yield words


def _tokens(text: str) -> Iterator[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    comment = False
    try:
        for token in lexer:
            comment = (comment or token.startswith("#")) and "\n" not in token
            if not comment:
                yield token
    except ValueError:
        # A quotation that does not end; what came before it was read.
        return


def _of_command(words: list[str], depth: int) -> Iterator[str]:
    rest = list(words)
    while rest and (rest[0] in _OPENING or _ASSIGNMENT.match(rest[0])):
        del rest[: 2 if rest[0] == "function" else 1]
    if not rest or rest[0] in _CLOSING:
        return
    name, arguments = rest[0], rest[1:]
    if name == "eval":
        yield from _programs(" ".join(arguments), depth - 1)
    elif name not in _BUILT_IN and _PLAIN_NAME.fullmatch(name):
        yield name
    base = name.rpartition("/")[2]
    if base in _SHELLS and "-c" in arguments[:-1]:
        yield from _programs(arguments[arguments.index("-c") + 1], depth - 1)
    elif base in _STARTERS:
        yield from _of_command(_started(base, arguments), depth - 1)
    elif base == "find" and {"-exec", "-execdir"} & set(arguments[:-1]):
        place = next(i for i, word in enumerate(arguments) if word.startswith("-exec"))
        yield from _of_command(arguments[place + 1 :], depth - 1)


def _started(starter: str, arguments: list[str]) -> list[str]:
    """Return the command among the arguments of a program that starts another."""
    rest = list(arguments)
    while rest and (rest[0].startswith("-") or rest[0][:1].isdigit() or _ASSIGNMENT.match(rest[0])):
        option = rest.pop(0)
        if starter == "xargs" and option in ("-I", "-n", "-P", "-L", "-d", "-s", "-a") and rest:
            rest.pop(0)
    return rest


def _substitutions(text: str) -> Iterator[str]:
    """Yield what stands in `$(...)` and backticks, outside single quotes."""
    text = re.sub(r"'[^']*'", "", text)
    start = 0
    while (start := text.find("$(", start)) >= 0:
        depth, place = 1, start + 2
        while place < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[place], 0)
            place += 1
        yield text[start + 2 : place - 1]
        start = place
    yield from re.findall(r"`([^`]*)`", text)
