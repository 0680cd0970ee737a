"""Runs a notebook in a kernel of its own, or looks into one that runs, and returns the record."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from ..errors import ContainerizeError
from ..model.event import Emit, Progress, ignore
from ..model.options import CaptureOptions
from . import connection, kernelspec, notebook, syntax, watching
from .own_lines import without_own_lines
from .quick_import import without_slow_parsers
from .secrets import without_secrets

# nbclient and nbformat take half a second to import: only what executes cells pays for them.
if TYPE_CHECKING:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

#: How long a kernel may take from its start to its first answer (a cold network file system).
START_S = 120.0
#: How long a kernel may take to end after it was asked to; then it is killed.
END_S = 2.0
SKIP_TAGS = frozenset({"skip", "skip-execution"})

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
#: Where a traceback names the cell's line, best first: of IPython 8.7 and newer, before, long before.
_LINES = (
    re.compile(r"^ *Cell In\[\d+\], line (\d+)", re.MULTILINE),
    re.compile(r"^ *Input In \[\d+\], in <cell line: (\d+)>", re.MULTILINE),
    re.compile(r"^-+> (\d+) ", re.MULTILINE),
)
_NO_MODULE = re.compile(r"No module named '([\w.]+)'")
T = TypeVar("T")
#: What else to do with a kernel whose cells have run.
Then = Callable[[AsyncKernelClient], Coroutine[Any, Any, None]]


class _Died(Exception):  # noqa: N818 - never leaves this module
    """The kernel ended while it was needed, or nbclient says so."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A notebook that ran: the probe's `record`, and the nbformat `document` with its outputs."""

    record: dict[str, Any]
    document: dict[str, Any]


def record(
    file: notebook.NotebookFile, *, options: CaptureOptions, emit: Emit = ignore
) -> dict[str, Any]:
    """Return the probe record of a notebook, run headless in a kernel of its own.

    With `options.execute` false no cell runs: what they import is imported, and the record
    says `static`. Errors: those of `kernelspec.manager`; `cell-failed`, `cell-timed-out`,
    `kernel-died`, `kernel-silent`, `remote-kernel`, `probe-failed`.
    """
    file = file.with_marks(options.marks)
    if options.execute:
        return execute(file, options=options, emit=emit).record
    return _run(_imported(file, options))


def execute(
    file: notebook.NotebookFile,
    *,
    options: CaptureOptions,
    emit: Emit = ignore,
    then: Then | None = None,
) -> Executed:
    """Run the code cells of `file` in order and return the record with their outputs.

    `then` is awaited on the kernel before it ends: it may look into what the cells made.
    """
    return _run(_executed(file, options, emit, then))


def attach(
    connection_file: str,
    *,
    notebook: str = "",
    timeout_s: float | None = connection.ANSWER_S,
    then: Then | None = None,
) -> dict[str, Any]:
    """Return the record of the running kernel with this connection file, injecting the probe.

    The probe stays and goes on recording. `then` is awaited on a kernel whose files are ours and
    which has run something; the record is read after it. Errors: `no-such-kernel`,
    `kernel-not-python`, `kernel-silent`, `kernel-died`, `remote-kernel`, `probe-failed`.
    """
    return _run(_attached(connection_file, notebook, timeout_s, then))


def has_run(record: Mapping[str, Any]) -> bool:
    """Whether anything was executed in the kernel of a record."""
    return bool(record["executions"] or record["history"])


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def fresh(metadata: Mapping[str, Any], *, kernel: str = "") -> dict[str, Any]:
    """Return the record of a new kernel in which nothing has run, of the kind that `record` starts."""
    return _run(_fresh(metadata, kernel))


async def _fresh(metadata: Mapping[str, Any], kernel: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="jupyter-containerize-") as folder:
        file = notebook.NotebookFile(
            os.path.join(folder, "fresh.ipynb"), {"metadata": dict(metadata), "cells": []}
        )
        async with _started(file, CaptureOptions(kernel=kernel)) as (manager, client):
            return await _while_alive(manager, connection.fetch(client, timeout_s=None))


async def _executed(
    file: notebook.NotebookFile, options: CaptureOptions, emit: Emit, then: Then | None = None
) -> Executed:
    with without_slow_parsers():
        import nbformat  # noqa: PLC0415 - see above
        from nbclient import NotebookClient  # noqa: PLC0415 - same

    from .output_widget import AsyncOutputWidget  # noqa: PLC0415 - same

    node = nbformat.from_dict(file.document)
    async with _started(file, options) as (manager, client):
        runner = NotebookClient(
            node,
            km=manager,
            timeout=options.timeout_s,
            allow_errors=options.allow_errors,
            coalesce_streams=False,
            store_widget_state=True,  # without it nbclient fails at an `Output` widget
        )
        runner.kc = client
        runner.widget_registry["@jupyter-widgets/output"]["OutputModel"] = AsyncOutputWidget
        await _execute_cells(runner, emit)
        if then is not None:
            await _while_alive(manager, then(client))
        found = await _while_alive(manager, connection.fetch(client, timeout_s=None))
    document = json.loads(json.dumps(node))
    _add_outputs(found, document)
    return Executed(found, document)


async def _imported(file: notebook.NotebookFile, options: CaptureOptions) -> dict[str, Any]:
    named = syntax.names_of(
        *(without_own_lines(cell["source"]) for _, cell in _code_cells(file.document))
    )
    async with _started(file, options) as (manager, client):
        imports = connection.call(
            client, "import_modules", named.modules, named.members, timeout_s=options.timeout_s
        )
        await _while_alive(manager, imports)
        found = await _while_alive(manager, connection.fetch(client, timeout_s=None))
    found["static"] = True
    return found


async def _attached(
    connection_file: str, notebook_path: str, timeout_s: float | None, then: Then | None
) -> dict[str, Any]:
    client = AsyncKernelClient()
    try:
        client.load_connection_file(connection_file)
    except (OSError, ValueError) as error:
        raise ContainerizeError(
            "no-such-kernel",
            what=f"There is no kernel with the connection file {connection_file}",
            why=str(error),
            fix="Start the notebook's kernel, then try again.",
        ) from error
    client.start_channels()
    try:
        installed = connection.call(client, "install", notebook=notebook_path, timeout_s=timeout_s)
        await watching.while_there(client, installed)
        found = await watching.while_there(client, connection.fetch(client, timeout_s=timeout_s))
        if then is not None and has_run(found):
            await watching.while_there(client, then(client))
            found = await watching.while_there(
                client, connection.fetch(client, timeout_s=timeout_s)
            )
        return found
    finally:
        client.stop_channels()


@contextlib.asynccontextmanager
async def _started(
    file: notebook.NotebookFile, options: CaptureOptions
) -> AsyncIterator[tuple[AsyncKernelManager, AsyncKernelClient]]:
    """Start the notebook's kernel in its folder, with the probe in it; end it, come what may."""
    manager = kernelspec.manager(file.document["metadata"], kernel=options.kernel)
    manager.shutdown_wait_time = END_S
    client = manager.client()
    with tempfile.TemporaryFile() as log:
        try:
            await _start(manager, client, file, log)
            yield manager, client
        except _Died as error:
            if await manager.is_alive():
                # nbclient takes a task that Ctrl-C cancelled for a dead kernel.
                raise KeyboardInterrupt from error
            raise await _died(manager, log) from error
        finally:
            await _end(manager, client)


async def _start(
    manager: AsyncKernelManager,
    client: AsyncKernelClient,
    file: notebook.NotebookFile,
    log: IO[bytes],
) -> None:
    try:
        await manager.start_kernel(
            extra_arguments=_extra_arguments(manager),
            cwd=file.folder,
            env={**os.environ, "JPY_SESSION_NAME": file.path},
            stdout=log,  # ours may carry events
            stderr=log,
        )
        client.load_connection_info(manager.get_connection_info())
        client.start_channels()
        await client.wait_for_ready(timeout=START_S)
    except (RuntimeError, OSError) as error:
        raise await _died(manager, log) from error
    client.allow_stdin = False
    await _while_alive(
        manager,
        connection.call(client, "install", notebook=file.path, outputs=False, timeout_s=None),
    )


def _extra_arguments(manager: AsyncKernelManager) -> list[str]:
    """Keep what we run out of the user's IPython history, as nbclient does."""
    spec = manager.kernel_spec
    is_ipykernel = spec is not None and any("ipykernel" in word for word in spec.argv)
    return ["--HistoryManager.hist_file=:memory:"] if is_ipykernel else []


async def _end(manager: AsyncKernelManager, client: AsyncKernelClient) -> None:
    client.stop_channels()
    if manager.has_kernel:
        with contextlib.suppress(RuntimeError, OSError):
            if await manager.is_alive():
                await manager.interrupt_kernel()
            await manager.shutdown_kernel()


async def _while_alive(manager: AsyncKernelManager, work: Coroutine[Any, Any, T]) -> T:
    """Await `work` on a kernel that might die meanwhile and then never answers."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=1.0))[0]:
            if not await manager.is_alive():
                raise _Died
        return task.result()
    finally:
        task.cancel()


async def _execute_cells(runner: NotebookClient, emit: Emit) -> None:
    from nbclient import exceptions  # noqa: PLC0415 - see above

    chosen = [
        (number, index, cell)
        for number, (index, cell) in enumerate(_code_cells(runner.nb), 1)
        if not SKIP_TAGS & set(cell["metadata"].get("tags", ()))
    ]
    for done, (number, index, cell) in enumerate(chosen):
        emit(Progress("capture", f"cell {number}", done, len(chosen), "cells"))
        cell["source"] = without_own_lines(cell["source"])
        try:
            await runner.async_execute_cell(cell, index)
        except exceptions.DeadKernelError as error:
            raise _Died from error
        except exceptions.CellExecutionError as error:
            raise _cell_failed(number, error) from error
        except exceptions.CellTimeoutError as error:
            raise ContainerizeError(
                "cell-timed-out",
                what=f"Cell {number} did not end within {runner.timeout:g} seconds.",
                fix="Give it more time with --cell-timeout, or tag the cell `skip`.",
            ) from error
    emit(Progress("capture", "all cells", len(chosen), len(chosen), "cells"))


def _code_cells(document: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    return [(i, cell) for i, cell in enumerate(document["cells"]) if cell["cell_type"] == "code"]


def _add_outputs(record: dict[str, Any], document: dict[str, Any]) -> None:
    """Put what the client collected into the record: ids and outputs, cell by cell."""
    by_count = {
        cell["execution_count"]: cell
        for _, cell in _code_cells(document)
        if cell["source"].strip() and cell["execution_count"] is not None
    }
    for execution in record["executions"]:
        cell = by_count.get(execution["execution_count"])
        if cell is not None:
            execution["cell_id"] = cell["id"]
            execution["outputs"] = cell["outputs"]


def _cell_failed(number: int, error: CellExecutionError) -> ContainerizeError:
    traceback = _ANSI.sub("", error.traceback or "")
    found = next((match for pattern in _LINES if (match := pattern.search(traceback))), None)
    line = f" in line {found[1]}" if found else ""
    why = without_secrets(str(error.evalue))[:500]
    install = ""
    if missing := _NO_MODULE.match(why):
        module = missing[1].partition(".")[0]
        install = f", install what provides {module!r} into the kernel's environment (%pip)"
    return ContainerizeError(
        "cell-failed",
        what=f"Cell {number} failed{line}: {error.ename}",
        why=why,
        fix=f"Mend the cell{install}; or tag it `skip` to leave it out, or `raises-exception` if it is meant "
        "to fail; or build anyway with --allow-errors.",
    )


async def _died(manager: AsyncKernelManager, log: IO[bytes]) -> ContainerizeError:
    log.seek(0)
    lines = log.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
    words = [line for line in lines if line.strip() and "WARNING" not in line]
    code = await manager.provisioner.poll() if manager.provisioner else None
    why = (
        f"Its last words: {without_secrets(words[-1])[:500]}"
        if words
        else f"Its exit code: {code}."
    )
    if code == -signal.SIGKILL:
        why = "It was killed from outside: usually there was not enough memory."
    elif code is not None and code < 0:
        why = f"A library crashed it ({signal.Signals(-code).name})."
    return ContainerizeError(
        "kernel-died",
        what="The kernel died.",
        why=why,
        fix="See that the notebook runs in Jupyter with the same kernel (`python -m ipykernel "
        "--version` must work in its environment), then try again.",
    )
