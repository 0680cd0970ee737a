"""Hidden state: what the kernel knows that the notebook, run from top to bottom, would not."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..model.reasons import Finding, Severity
from ..model.snapshot import Cell
from .syntax import dotted, tree_of

#: Names that IPython gives every cell.
_GIVEN = frozenset(dir(builtins)) | {
    *("In", "Out", "get_ipython", "exit", "quit", "open", "display", "_", "__", "___", "_i", "_ii"),
    *("_iii", "_ih", "_oh", "_dh", "_exit_code", "__file__", "__name__", "__doc__", "__builtins__"),
}
#: After these a cell may have names that its text does not tell.
_NAMING_MAGICS = frozenset({"run", "pylab", "load", "store"})


def findings(cells: Sequence[Cell], record: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return what makes the kernel's state differ from the cells' order and text."""
    if record["static"]:
        return ()
    return (*_order(cells), *_never_run(cells), *_failed(cells, record), *_names(cells, record))


def _order(cells: Sequence[Cell]) -> Iterator[Finding]:
    """One finding for all cells that ran before a cell above them."""
    early: list[int] = []
    highest: tuple[int, int] | None = None
    for cell in cells:
        if cell.execution_count is None:
            continue
        if highest and cell.execution_count < highest[0]:
            early.append(cell.number)
        else:
            highest = (cell.execution_count, cell.number)
    if early:
        several = len(early) > 1
        yield Finding(
            "executed-out-of-order",
            Severity.WARNING,
            what=f"Cell{'s' * several} {_listed(early)} ran before a cell above.",
            why="The container runs the cells from top to bottom; the outputs may differ.",
            fix="Restart the kernel and run all cells, then build again.",
            cell=early[0],
        )


def _never_run(cells: Sequence[Cell]) -> Iterator[Finding]:
    never = [cell.number for cell in cells if cell.execution_count is None and cell.outputs is None]
    if never:
        several = len(never) > 1
        yield Finding(
            "cell-never-run",
            Severity.WARNING,
            what=f"Cell{'s' * several} {_listed(never)} did not run in this kernel.",
            why="What such a cell imports and reads is only known from its text, and it has no "
            "output to compare with.",
            fix="Run it, or tag it `skip` to leave it out.",
            cell=never[0],
        )


def _failed(cells: Sequence[Cell], record: Mapping[str, Any]) -> Iterator[Finding]:
    by_count = {execution["execution_count"]: execution for execution in record["executions"]}
    for cell in cells:
        execution = by_count.get(cell.execution_count) if cell.execution_count else None
        if execution and execution["success"] is False and "raises-exception" not in cell.tags:
            yield Finding(
                "cell-raised",
                Severity.WARNING,
                what=f"Cell {cell.number} ended with {execution['error']}.",
                why="The container will end there too, with exit code 1.",
                fix="Mend the cell and run it; or tag it `skip`, or `raises-exception` if it is "
                "meant to fail.",
                cell=cell.number,
            )


def _names(cells: Sequence[Cell], record: Mapping[str, Any]) -> Iterator[Finding]:
    """Names that a cell uses and no cell above it defines, though the kernel had them."""
    scopes = [_scope(cell.source) for cell in cells]
    defined: set[str] = set(_GIVEN)
    told: set[str] = set()
    for place, (cell, scope) in enumerate(zip(cells, scopes, strict=True)):
        if scope.opaque:
            return  # from here on any name may exist
        for name in scope.needs:
            if name in defined or name in told:
                continue
            told.add(name)
            later = zip(cells[place + 1 :], scopes[place + 1 :], strict=True)
            below = [other.number for other, its in later if name in its.defines]
            if below or name in record["names"]:
                yield _missing(name, cell.number, below, cells, record)
        defined |= scope.defines


def _missing(
    name: str, number: int, below: list[int], cells: Sequence[Cell], record: Mapping[str, Any]
) -> Finding:
    edited = _edited_definer(name, cells, record)
    if below:
        what = f"Cell {number} uses `{name}`, which only cell {_listed(below)} defines."
        fix = "Move the defining cell up, or define the name earlier."
    elif edited:
        what = f"Cell {number} uses `{name}`, which cell {edited} defined before it was edited."
        fix = f"Define `{name}` in a cell above cell {number}."
    else:
        what = f"Cell {number} uses `{name}`, whose defining cell is gone."
        fix = f"Define `{name}` in a cell above cell {number}."
    return Finding(
        "name-defined-later" if below else "name-without-cell",
        Severity.WARNING,
        what=what,
        why="The kernel still has the name; the container will not.",
        fix=fix,
        cell=number,
    )


def _edited_definer(name: str, cells: Sequence[Cell], record: Mapping[str, Any]) -> int | None:
    """Return the number of the cell that once defined `name` and has another text now."""
    numbers = {cell.id: cell.number for cell in cells}
    for execution in reversed(record["executions"]):
        number = numbers.get(execution["cell_id"])
        if number is not None and name in _scope(execution["source"]).defines:
            return number
    return None


def _listed(numbers: Sequence[int]) -> str:
    *most, last = (str(number) for number in numbers)
    return f"{', '.join(most)} and {last}" if most else last


@dataclass(slots=True)
class _Scope:
    """A cell's module-level names: `needs` those it reads before it has set them itself."""

    needs: list[str] = field(default_factory=list)
    defines: set[str] = field(default_factory=set)
    opaque: bool = False


def _scope(source: str) -> _Scope:
    scope = _Scope()
    reader = _ScopeReader(scope)
    for statement in tree_of(source).body:
        reader.read(statement)
    # A function's body runs later, when the whole cell has set its names.
    scope.needs += [name for name in reader.later if name not in scope.defines]
    scope.needs = list(dict.fromkeys(scope.needs))
    return scope


class _ScopeReader(ast.NodeVisitor):
    """Reads statements in order: values before targets."""

    def __init__(self, scope: _Scope) -> None:
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
        inner = _Scope(defines=set(self.scope.defines))
        if not outer:
            reader = _ScopeReader(inner)
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
