"""What cells name: modules, paths, variables, commands. Lines that are not Python do no harm."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from . import shell
from .python_text import dotted, tree_of

#: Cell magics that hand their body to a program of the same name.
_PROGRAM_MAGICS = frozenset({"bash", "sh", "perl", "ruby", "python", "python2", "python3", "pypy"})
_SHELLS = frozenset({"bash", "sh", "zsh", "dash", "ksh"})
_SHELL_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")
_SHELL_WORD = re.compile(r"""'([^'\n]+)'|"([^"\n]+)"|([^\s'"=;|&()<>`]+)""")
_PATH_MAX = 4096


@dataclass(slots=True)
class Named:
    """What cells name, in order and without repeats.

    `modules` are imported as modules; `members` are `package.name` of `from package import
    name`, each a submodule or not. `paths` are literal texts that may be paths, as written.
    `variables` are environment variables read; `commands` programs called by shell text.
    `guarded` are those `modules` that the cells can do without (`try: import ... except`).
    """

    modules: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    guarded: list[str] = field(default_factory=list)


def names_of(*sources: str) -> Named:
    """Return what the cells with these `sources` name."""
    found = Named()
    for source in sources:
        _read_cell(source, found)
    return Named(
        *(list(dict.fromkeys(getattr(found, name))) for name in Named.__dataclass_fields__)
    )


def _read_cell(source: str, found: Named) -> None:
    _Reader(found).visit(tree_of(source))


class _Reader(ast.NodeVisitor):
    """Fills `found`; what was understood as a whole is not read again in parts."""

    def __init__(self, found: Named) -> None:
        self.found = found

    def visit_Import(self, node: ast.Import) -> None:
        self.found.modules.extend(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module and not node.level:
            self.found.modules.append(node.module)
            self.found.members.extend(
                f"{node.module}.{a.name}" for a in node.names if a.name != "*"
            )

    def visit_Try(self, node: ast.Try) -> None:
        if any(_catches_import_errors(handler.type) for handler in node.handlers):
            before = len(self.found.modules)
            for statement in node.body:
                self.visit(statement)
            self.found.guarded.extend(self.found.modules[before:])
            for other in (*node.handlers, *node.orelse, *node.finalbody):
                self.visit(other)
        else:
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if _is_environ(node.value) and isinstance(node.ctx, ast.Load):
            _add_text(node.slice, self.found.variables)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if any(_is_environ(other) for other in node.comparators):
            _add_text(node.left, self.found.variables)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        path = _folded(node)
        if path:
            _add_path(path, self.found)
        else:
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            _add_path(node.value, self.found)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        for part in node.values:  # the text between values is not a path of its own
            if isinstance(part, ast.FormattedValue):
                self.visit(part)

    def visit_Call(self, node: ast.Call) -> None:
        name = dotted(node.func)
        texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        words = [text for text in texts if isinstance(text, str)]
        path = _folded(node)
        if name.startswith("get_ipython()."):
            _read_ipython(name.partition(".")[2], words, self.found)
        elif words and name in ("importlib.import_module", "import_module", "__import__"):
            self.found.modules.append(words[0].lstrip("."))
        elif words and (name.rpartition(".")[2] == "getenv" or _is_environ_method(name)):
            self.found.variables.append(words[0])
        elif words and name in ("os.system", "os.popen"):
            _read_shell(words[0], self.found)
        elif path:
            _add_path(path, self.found)
        else:
            self.generic_visit(node)


def _catches_import_errors(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    wide = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")
    return any(dotted(name) in wide for name in names)


def _read_ipython(method: str, texts: list[str], found: Named) -> None:
    if method in ("system", "getoutput") and texts:
        _read_shell(texts[0], found)
    elif method in ("run_line_magic", "magic") and texts:
        name, _, line = " ".join(texts).partition(" ")
        _read_line_magic(name, line.strip(), found)
    elif method == "run_cell_magic" and len(texts) >= 2:  # noqa: PLR2004 - name, line, body
        name, line, *body = texts
        _read_cell_magic(name, line, "".join(body), found)


def _read_line_magic(name: str, line: str, found: Named) -> None:
    words = line.split()
    if name == "run" and words:
        files = [word for word in words if not word.startswith("-")][:1]
        if "-m" in words:
            found.modules.extend(files)
        else:
            found.paths.extend(file if "." in file else f"{file}.py" for file in files)
    elif name in ("matplotlib", "pylab"):
        found.modules.append("matplotlib")
    elif name in ("env", "set_env") and len(words) == 1 and "=" not in line:
        found.variables.append(words[0])
    elif name in ("sx", "system"):
        _read_shell(line, found)


def _read_cell_magic(name: str, line: str, body: str, found: Named) -> None:
    program = name
    if name == "script":
        words = [word for word in line.split() if not word.startswith("-")]
        program = words[0] if words else ""
    if name in _PROGRAM_MAGICS or name == "script":
        found.commands.append(program)
        if program.rpartition("/")[2] in _SHELLS:
            _read_shell(body, found)
        elif program.startswith(("python", "pypy")):
            _read_cell(body, found)
    elif name in ("sx", "system", "!"):
        _read_shell(f"{line}\n{body}", found)


def _read_shell(text: str, found: Named) -> None:
    found.commands.extend(shell.programs(text))
    found.variables.extend(name for name in _SHELL_VARIABLE.findall(text) if name.isupper())
    for word in _SHELL_WORD.findall(text):
        _add_path("".join(word), found)


def _is_environ(node: ast.expr) -> bool:
    return dotted(node) in ("os.environ", "environ")


def _is_environ_method(name: str) -> bool:
    owner, _, method = name.rpartition(".")
    return owner in ("os.environ", "environ") and method in ("get", "pop", "setdefault")


def _add_text(node: ast.expr, texts: list[str]) -> None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        texts.append(node.value)


def _folded(node: ast.expr) -> str:
    """Return the path that `Path("a") / "b"` or `os.path.join("a", "b")` spells, else ""."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    parts: list[str] = []
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        parts = [_folded(node.left), _folded(node.right)]
    elif isinstance(node, ast.Call) and node.args:
        name = dotted(node.func)
        if name in ("os.path.join", "path.join", "join") or name.rpartition(".")[2] in (
            "Path",
            "PurePath",
            "PosixPath",
        ):
            parts = [_folded(argument) for argument in node.args]
    return "/".join(parts) if parts and all(parts) else ""


def _add_path(text: str, found: Named) -> None:
    looks_like_one = "/" in text or "." in text.strip(".") or text == ".."
    if looks_like_one and len(text) <= _PATH_MAX and not re.search(r"[\n\0$]|://", text):
        found.paths.append(text)
