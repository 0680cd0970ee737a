"""The shell that runs cells: IPython's, dressed as ipykernel's so that libraries behave as there."""

from __future__ import annotations

import os
import sys
import tempfile
import zlib
from typing import Any

from IPython.core import page
from IPython.core.autocall import ZMQExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import Javascript, display
from traitlets import Any as AnyTrait
from traitlets import Bool, Instance, Type, default

from .kernel_marks import REQUEST, config, kernel, load_modules
from .outputs import Recorder
from .streams import CellStream


class CellCompiler(CachingCompiler):  # type: ignore[misc] # IPython has no types
    """Names cells' code as ipykernel does: numba and joblib look for the folder's name."""

    def get_code_name(self, raw_code: str, code: str, number: int) -> str:
        """Return the file name that tracebacks and warnings show."""
        del code, number
        folder = os.path.join(tempfile.gettempdir(), f"ipykernel_{os.getpid()}")
        return os.path.join(folder, f"{zlib.crc32(raw_code.encode(errors='replace'))}.py")


class CellDisplayHook(DisplayHook):  # type: ignore[misc] # IPython has no types
    """Records the value of a cell's last expression."""

    pending: tuple[int, dict[str, Any], dict[str, Any]] | None = None
    formatting = False

    def start_displayhook(self) -> None:
        """Begin with nothing."""
        self.pending = None
        self.formatting = True

    def write_output_prompt(self) -> None:
        """Write none: the execution count is recorded."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """Keep the representations until all is well."""
        self.pending = (self.prompt_count, format_dict, md_dict or {})

    def finish_displayhook(self) -> None:
        """Record them."""
        self.shell.settle()
        if self.pending and self.pending[1]:
            self.shell.recorder.result(*self.pending)
        self.pending = None
        self.formatting = False


class CellDisplayPublisher(DisplayPublisher):  # type: ignore[misc] # IPython has no types
    """Records displays."""

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        """Record a display or an update of one."""
        self.shell.settle()
        display_id = (transient or {}).get("display_id") or ""
        self.shell.recorder.display(data, metadata or {}, display_id=display_id, update=update)

    def clear_output(self, wait: bool = False) -> None:
        """Clear the cell's outputs."""
        self.shell.settle()
        self.shell.recorder.clear(wait=wait)


class ZMQInteractiveShell(InteractiveShell):  # type: ignore[misc] # IPython has no types
    """Named as ipykernel's: pandas, rich, tqdm and others look for this name."""

    displayhook_class = Type(CellDisplayHook)
    display_pub_class = Type(CellDisplayPublisher)
    autoindent = Bool(default_value=False)
    exiter = Instance(ZMQExitAutocall)
    kernel = AnyTrait(allow_none=True)  # plotly asks whether the trait is there
    recorder: Recorder
    streams: tuple[CellStream, ...]
    leaving = False
    display_error: BaseException | None = None  # raised by a result's representation

    @default("exiter")  # type: ignore[untyped-decorator] # traitlets is not followed
    def _default_exiter(self) -> ZMQExitAutocall:
        return ZMQExitAutocall(self)

    def init_environment(self) -> None:
        """Set what ipykernel sets: colours without a terminal, no pager."""
        for name in ("TERM", "CLICOLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
            os.environ[name] = "xterm-color" if name == "TERM" else "1"
        os.environ["PAGER"] = os.environ["GIT_PAGER"] = "cat"

    def init_hooks(self) -> None:
        """Page nothing: `obj?` leaves no output in a notebook's cell."""
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(lambda *_, **__: None), 99)

    def ask_exit(self) -> None:
        """Stop after this cell: `exit()` and `quit()`."""
        self.leaving = True

    def settle(self) -> None:
        """Record what the streams hold, so that what comes next stands behind it."""
        for stream in self.streams:
            stream.flush()

    def get_parent(self) -> dict[str, Any]:
        """Return the request that is answered: `Output` widgets ask for it."""
        return REQUEST

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: there is no screen, and asyncio runs already."""

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        self.settle()
        if self.displayhook.formatting:
            self.display_error = evalue
        self.recorder.error(etype.__name__, str(evalue), list(stb))


def make_shell(recorder: Recorder) -> ZMQInteractiveShell:
    """Return the process' one shell; `__main__` is its namespace and streams are its from now on."""
    streams = (CellStream("stdout", 1, recorder), CellStream("stderr", 2, recorder))
    sys.stdout, sys.stderr = streams
    load_modules(ZMQInteractiveShell)
    shell: ZMQInteractiveShell = ZMQInteractiveShell.instance(
        config=config(),
        kernel=kernel(),
        compiler_class=CellCompiler,
        ipython_dir=tempfile.mkdtemp(prefix="ipython-"),
    )
    shell.recorder, shell.streams = recorder, streams
    session = os.environ.get("JPY_SESSION_NAME")
    if session:
        shell.user_ns["__session__"] = session
    shell.register_magic_function(_autosave, "line", "autosave")
    for name in ("clear", "less", "man", "more"):  # ipykernel pages them: no output in a notebook
        shell.register_magic_function(lambda _: None, "line", name)
    shell.extension_manager.load_extension("storemagic")
    return shell


def _autosave(line: str) -> None:
    seconds = int(line)
    script = Javascript(f"IPython.notebook.set_autosave_interval({1000 * seconds})")
    display(script, include=["application/javascript"])
    print(f"Autosaving every {seconds} seconds" if seconds else "Autosave disabled")
