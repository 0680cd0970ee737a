"""Which names a cell sets, and which it needs from the cells above."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from .python_text import dotted, tree_of

#: After these a cell may have names that its text does not tell.
_NAMING_MAGICS = frozenset({"run", "pylab", "load", "store"})


@dataclass(slots=True)
class Scope:
    """A cell's module-level names: `needs` those it reads before it has set them itself."""

    needs: list[str] = field(default_factory=list)
    defines: set[str] = field(default_factory=set)
    opaque: bool = False


def scope_of(source: str) -> Scope:
    """Return the names that a cell with this `source` needs and sets."""
    scope = Scope()
    reader = _Reader(scope)
    for statement in tree_of(source).body:
        reader.read(statement)
    # A function's body runs later, when the whole cell has set its names.
    scope.needs += [name for name in reader.later if name not in scope.defines]
    scope.needs = list(dict.fromkeys(scope.needs))
    return scope


class _Reader(ast.NodeVisitor):
    """Reads statements in order: values before targets."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.later: list[str] = []
        self.local: list[set[str]] = []  # names of the functions around, innermost last

    def read(self, statement: ast.stmt) -> None:
        self.visit(statement)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._define(node.id)
        else:
            self._use(node.id)

    def _use(self, name: str) -> None:
        if any(name in names for names in self.local):
            return
        if self.local:
            self.later.append(name)
        elif name not in self.scope.defines:
            self.scope.needs.append(name)

    def _define(self, name: str) -> None:
        if self.local:
            self.local[-1].add(name)
        else:
            self.scope.defines.add(name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self._use(node.target.id)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    visit_AsyncFor = visit_For  # noqa: N815 - ast.NodeVisitor's names

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._define(alias.asname or alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.scope.opaque = True
            self._define(alias.asname or alias.name)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._define(node.name)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self.scope.defines.update(node.names)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._define(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._define(node.name)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in (
            *node.decorator_list,
            *node.args.defaults,
            *filter(None, node.args.kw_defaults),
        ):
            self.visit(part)
        self._define(node.name)
        self._body(node.args, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - ast.NodeVisitor's names

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._body(node.args, [node.body])

    def _body(self, arguments: ast.arguments, body: Sequence[ast.AST]) -> None:
        names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        names += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
        stored = {
            node.id
            for part in body
            for node in ast.walk(part)
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        }
        self.local.append({argument.arg for argument in names} | stored)
        for part in body:
            self.visit(part)
        self.local.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self.visit(part)
        outer = self.local
        # A class body runs at once, and its names are its own.
        inner = Scope(defines=set(self.scope.defines))
        if not outer:
            reader = _Reader(inner)
            for statement in node.body:
                reader.visit(statement)
            self.scope.needs += inner.needs
            self.later += reader.later
        self._define(node.name)

    def visit_ListComp(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> None:
        self.visit(node.generators[0].iter)
        outer_later = len(self.later)
        self.local.append(set())
        for index, generator in enumerate(node.generators):
            if index:
                self.visit(generator.iter)
            self.visit(generator.target)
            for condition in generator.ifs:
                self.visit(condition)
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for element in elements:
            self.visit(element)
        self.local.pop()
        if not self.local:  # it runs at once, unlike a function's body
            used, self.later = self.later[outer_later:], self.later[:outer_later]
            for name in used:
                self._use(name)

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp  # noqa: N815 - ast.NodeVisitor's names

    def visit_Call(self, node: ast.Call) -> None:
        if dotted(node.func).startswith("get_ipython()."):
            self._magic(node)
        self.generic_visit(node)

    def _magic(self, node: ast.Call) -> None:
        words = [str(a.value) for a in node.args if isinstance(a, ast.Constant)]
        method = dotted(node.func).rpartition(".")[2]
        if method == "run_line_magic" and words and words[0] in _NAMING_MAGICS:
            self.scope.opaque = True
