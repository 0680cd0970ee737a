"""What the routes do: plain functions from checked values to plain JSON, for a thread to run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..._version import __version__
from ...errors import ContainerizeError
from ...model.codec import from_json, to_json
from ...model.event import Emit, Event, Failed, FindingRaised, Result, ignore
from ...model.request import REQUESTS
from ..forms import FORMS, Answer, fields
from . import commands, outputs
from .jobs import Jobs
from .log_file import LogFiles
from .paths import Root

API_VERSION = 1
#: The runtime whose runs write their log into the store as they go.
HERE = "sandbox"


class Api:
    """Everything behind the routes, for one server and one store."""

    def __init__(self, *, root: str, store: str = "", gateway: bool = False) -> None:
        self.root = Root(root)
        self.store = store
        self.gateway = gateway
        self.logs = LogFiles()
        self._jobs: Jobs | None = None

    @property
    def jobs(self) -> Jobs:
        """The jobs of the store, which is opened when it is first needed. Errors: the store's."""
        if self._jobs is None:
            self._jobs = Jobs(str(self.ask("ls")["store"]))
        return self._jobs

    def ask(self, command: str, *, emit: Emit = ignore, **options: Any) -> Any:
        """Do a short command here and now, and return its result. Errors: the command's."""
        from ...workflow import conclude  # noqa: PLC0415 - servers start without it

        request = from_json(REQUESTS[command], {**options, "store": self.store})
        last = conclude(command, request, emit=emit)
        if isinstance(last, Failed):
            raise ContainerizeError.from_json(last.error)
        return last.data if isinstance(last, Result) else None

    # -- the server ---------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Return versions, where kernels run, and what is wrong with the store if something is."""
        problem = None
        try:
            _ = self.jobs
        except ContainerizeError as error:
            problem = error.to_json()
        return {
            "version": __version__,
            "api": API_VERSION,
            "gateway": self.gateway,
            "commands": list(commands.COMMANDS),
            "problem": problem,
        }

    def doctor(self, notebook: str = "") -> Any:
        """Return what works here; for the notebook at a path, too."""
        path = self.root.absolute(notebook) if notebook else ""
        return self.ask("doctor", notebook=path)

    # -- jobs ---------------------------------------------------------------------------

    def forms(self) -> dict[str, Any]:
        """Return the options of each command that has a form, as its fields."""
        return {name: [to_json(field) for field in fields(name)] for name in FORMS}

    def start(
        self,
        command: str,
        options: dict[str, Any],
        notebook: Mapping[str, Any] | None = None,
        form: Mapping[str, Answer] | None = None,
    ) -> dict[str, Any]:
        """Start a job; `form` are further options, as `forms` has them.

        Errors: `unknown-command`, `bad-request`, `outside-root`, those of the command line.
        """
        known = commands.COMMANDS.get(command)
        ours: dict[str, Any] = {"store": self.store}
        shown = ""
        if known is not None and known.of_notebook:
            if notebook is None:
                raise ContainerizeError(
                    "bad-request",
                    what=f"`{command}` is about a notebook, and none was named.",
                    fix="Open a notebook and try again.",
                )
            shown = notebook["path"]
            ours |= {
                "notebook": self.root.absolute(shown),
                "front_end": notebook.get("content"),
                "connection": notebook.get("connection", ""),
            }
        options = commands.filled(command, options, form or {}, root=self.root)
        request = commands.parse(command, options, root=self.root, ours=ours)
        about = getattr(request, "run", "")  # of a build it says whether to run
        return self.jobs.start(
            command,
            commands.as_json(request),
            title=known.title if known else command,
            notebook=shown,
            image=str(getattr(request, "image", "")),
            run=about if isinstance(about, str) else "",
        )

    # -- images -------------------------------------------------------------------------

    def images(self) -> Any:
        """Return all images; `shared_bytes` is what an image has in common with others."""
        return self.ask("ls")

    def image(self, image: str) -> Any:
        """Return everything known about an image."""
        return self.ask("inspect", image=image)

    def compare(self, image: str, other: str) -> Any:
        """Return what changed from `image` to `other`."""
        return self.ask("diff", old=image, new=other)

    def remove(self, name: str) -> Any:
        """Remove an image or a run."""
        return self.ask("rm", names=[name])

    # -- runs ---------------------------------------------------------------------------

    def contexts(self) -> dict[str, Any]:
        """Return the clusters that kubeconfig knows. Errors: `no-kubeconfig`, `bad-kubeconfig`."""
        from ...workflow import clusters  # noqa: PLC0415 - as above

        return {"contexts": clusters.contexts()}

    def runs(self, context: str = "", namespace: str = "") -> Any:
        """Return all runs, the newest first; those of a cluster too, where one is named.

        `problems` are findings: records that cannot be read, clusters that do not answer.
        """
        place = {"context": context, "namespace": namespace}
        problems: list[Any] = []

        def hear(event: Event) -> None:
            if isinstance(event, FindingRaised):
                problems.append(to_json(event.finding))

        found: dict[str, Any] = self.ask("runs", emit=hear, place=place)
        return {"runs": [self._shown(run) for run in found["runs"]], "problems": problems}

    def run(self, run: str) -> dict[str, Any]:
        """Return one run. Errors: `no-such-run`."""
        for item in self.ask("runs")["runs"]:
            if item["id"] == run:
                return self._shown(item)
        raise ContainerizeError(
            "no-such-run",
            what=f"There is no run {run!r}.",
            fix="It may have been deleted; look at the list again.",
        )

    def _shown(self, run: dict[str, Any]) -> dict[str, Any]:
        """Leave out values that a run was given: variables may hold secrets."""
        spec = {**run.get("spec", {})}
        spec["environment"] = sorted(spec.get("environment", {}))
        return {**run, "spec": spec}

    def log(self, run: str, first: int, count: int) -> dict[str, Any]:
        """Return a page of a run's log."""
        found = self.run(run)
        page = self.logs.page(self._log_of(found), first=first, count=count)
        return {**page, "state": found["state"]}

    def search(self, run: str, text: str, first: int, count: int) -> dict[str, Any]:
        """Return the lines of a run's log that hold a text."""
        path = self._log_of(self.run(run))
        return self.logs.search(path, text=text, first=first, count=count)

    def _log_of(self, run: Mapping[str, Any]) -> str:
        """Return the file with what a run has written, wherever it lives."""
        if run["runtime"] != HERE:
            from ...workflow import living  # noqa: PLC0415 - as above

            return living.log_so_far(run["id"], store=self.store)
        return str(run.get("log") or os.devnull)

    def usage(self, run: str) -> dict[str, Any]:
        """Return what a living run uses."""
        from ...workflow import living  # noqa: PLC0415 - as above

        return {"usage": living.usage(run, store=self.store)}

    def example(self, run: str) -> dict[str, Any]:
        """Return a request that a served model understands."""
        from ...workflow import living  # noqa: PLC0415 - as above

        return {"example": living.example(run, store=self.store)}

    def predict(self, run: str, body: str) -> dict[str, Any]:
        """Pass a request on to a served model: the browser may not reach its port."""
        from ...workflow import living  # noqa: PLC0415 - as above

        return living.predict(run, body, store=self.store)

    def outputs(self, run: str) -> dict[str, Any]:
        """Return the files that a run has left so far."""
        return {"files": outputs.listing(_outputs_of(self.run(run)))}

    def output(self, run: str, path: str) -> str:
        """Return the file on disk of one output."""
        return outputs.file_in(_outputs_of(self.run(run)), path)

    def open_executed(self, run: str, notebook: str) -> dict[str, str]:
        """Copy a run's executed notebook into the server's folder; return where it is."""
        found = self.run(run)
        title = os.path.splitext(os.path.basename(notebook))[0] or "notebook"
        path = outputs.open_copy(_outputs_of(found), title=title, beside=notebook, root=self.root)
        return {"path": path}


def _outputs_of(run: Mapping[str, Any]) -> str:
    return str(run.get("outputs") or os.devnull)
