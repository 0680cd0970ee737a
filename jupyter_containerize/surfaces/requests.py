"""A parsed command line, with the settings under it, as a request to the workflow."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from ..errors import ContainerizeError
from ..model.cluster import ClusterOptions
from ..model.options import CaptureOptions, RunOptions
from ..model.reference import Reference
from ..model.request import (
    BuildRequest,
    DiffRequest,
    DoctorRequest,
    ExportRequest,
    ForwardRequest,
    HistoryRequest,
    ImageRequest,
    LogsRequest,
    OutputsRequest,
    PushRequest,
    RemoveRequest,
    Request,
    RollbackRequest,
    RunRequest,
    RunsRequest,
    ScaleRequest,
    ServeRequest,
    StopRequest,
    StoreRequest,
    TagRequest,
    UpdateRequest,
    VerifyRequest,
)
from ..model.run import Limits
from . import values
from .cluster_arguments import cluster_options, export_form, place_of
from .config import Containerize

_OUTPUTS = ("oci", "oci-archive", "docker-archive")
_GRACE_S = 10.0


def request_of(args: argparse.Namespace, settings: Containerize) -> Request:
    """Return the request that `args` mean. Errors: `usage`, `invalid-reference`, `mount-missing`."""
    return _MAKERS[args.command](args, values.absolute(args.store or settings.store), settings)


def _build(args: argparse.Namespace, store: str, settings: Containerize) -> BuildRequest:
    chosen = _Chosen(args, settings)
    options = _run_options(chosen)
    capture = _capture(args, chosen, options)
    verify = chosen.flag("verify") and args.command == "build"
    if verify and args.no_execute:
        raise ContainerizeError(
            "usage",
            what="`--verify` and `--no-execute` exclude each other.",
            why="Without running the cells there is nothing to compare with.",
            fix="Leave one of them out.",
        )
    return BuildRequest(
        notebook=values.absolute(args.notebook or ""),
        capture=capture,
        name=str(Reference.parse(args.tag)) if args.tag else "",
        base=base_name(chosen.text("base")),
        platform=args.platform or "",
        pull=bool(args.pull),
        slim=bool(args.slim),
        builder=chosen.text("builder"),
        output=_output(chosen.text("output")),
        to=_engine(chosen.text("to")),
        run=chosen.flag("run") and args.command == "build",
        verify=verify,
        runtime=chosen.text("runtime"),
        options=options,
        rtol=values.tolerance(chosen.text("rtol"), "--rtol"),
        store=store,
    )


def _capture(args: argparse.Namespace, chosen: _Chosen, options: RunOptions) -> CaptureOptions:
    cell_timeout = chosen.text("cell_timeout")
    return CaptureOptions(
        execute=not args.no_execute,
        include=tuple(values.absolute(path) for path in args.include),
        mounts=tuple(mount.path for mount in options.mounts),
        environment=values.variables(args.env, "--env"),
        allow_secrets=tuple(args.allow_secret),
        allow_errors=bool(args.allow_errors),
        marks=values.marks(args.mark_cell, "--mark-cell"),
        max_file_bytes=values.size_bytes(chosen.text("max_file_size"), "--max-file-size"),
        kernel=values.kernel(args.kernel or ""),
        timeout_s=values.time_s(cell_timeout, "--cell-timeout") if cell_timeout else None,
    )


def _serve(args: argparse.Namespace, store: str, settings: Containerize) -> ServeRequest:
    chosen = _Chosen(args, settings)
    options = _run_options(chosen)
    if args.no_execute:
        raise ContainerizeError(
            "usage",
            what="`serve` needs the object that the cells make: it cannot go with --no-execute.",
            fix="Leave --no-execute out.",
        )
    return ServeRequest(
        expression=args.object,
        notebook=values.absolute(args.notebook or ""),
        example=args.example or "",
        compile=args.compile or "",
        batches=bool(args.batches),
        packages=tuple(args.package),
        capture=_capture(args, chosen, options),
        name=str(Reference.parse(args.tag)) if args.tag else "",
        base=base_name(chosen.text("base")),
        pull=bool(args.pull),
        slim=bool(args.slim),
        builder=chosen.text("builder"),
        output=_output(chosen.text("output")),
        to=_engine(chosen.text("to")),
        run=bool(args.run),
        detach=bool(args.detach),
        port=values.count(args.host_port.partition(":")[0], "--port") if args.host_port else 0,
        runtime=chosen.text("runtime"),
        options=options,
        store=store,
    )


def _run(args: argparse.Namespace, store: str, settings: Containerize) -> RunRequest:
    chosen = _Chosen(args, settings)
    return RunRequest(
        image=image_name(args.image or ""),
        options=_run_options(chosen, environment=_values_of_now(args.env)),
        entrypoint=tuple(args.behind) if args.behind else None,
        runtime=chosen.text("runtime"),
        detach=bool(args.detach),
        store=store,
    )


def _verify(args: argparse.Namespace, store: str, settings: Containerize) -> VerifyRequest:
    chosen = _Chosen(args, settings)
    return VerifyRequest(
        image=image_name(args.image or ""),
        options=_run_options(chosen, environment=_values_of_now(args.env)),
        runtime=chosen.text("runtime"),
        rtol=values.tolerance(chosen.text("rtol"), "--rtol"),
        store=store,
    )


def _export(args: argparse.Namespace, store: str, settings: Containerize) -> ExportRequest:
    form, folder = export_form(args)
    options = _run_options(_Chosen(args, settings), environment=_values_of_now(args.env))
    return ExportRequest(
        image_name(args.image or ""),
        folder,
        helm=form == "helm",
        dockerfile=form == "dockerfile",
        base=args.base or "",
        options=options,
        store=store,
    )


class _Chosen:
    """The word from the command line where there is one, else the setting."""

    def __init__(self, args: argparse.Namespace, settings: Containerize) -> None:
        self.args = args
        self.settings = settings

    def _get(self, name: str) -> Any:
        word = getattr(self.args, name, None)
        return getattr(self.settings, name, None) if word is None else word

    def text(self, name: str) -> str:
        return str(self._get(name) or "")

    def flag(self, name: str) -> bool:
        return bool(self._get(name))


def _run_options(chosen: _Chosen, environment: dict[str, str] | None = None) -> RunOptions:
    memory, processes = chosen.text("memory"), chosen.text("processes")
    timeout, cpus = chosen.text("timeout"), chosen.text("cpus")
    return RunOptions(
        parameters=values.pairs(getattr(chosen.args, "parameter", None) or (), "-p"),
        environment=environment or {},
        mounts=values.mounts(chosen.args.mount or (), "--mount")
        if hasattr(chosen.args, "mount")
        else (),
        network=hasattr(chosen.args, "network") and chosen.flag("network"),
        limits=Limits(
            memory_bytes=values.size_bytes(memory, "--memory") if memory else None,
            processes=values.count(processes, "--processes") if processes else None,
            timeout_s=values.time_s(timeout, "--timeout") if timeout else None,
            cpus=values.processors(cpus, "--cpus") if cpus else None,
        ),
        ports=values.ports(getattr(chosen.args, "port", None) or (), "--port"),
        gpus=values.gpus(chosen.text("gpus"), "--gpus"),
        restart=values.restart(chosen.text("restart"), "--restart"),
        workers=values.count(chosen.text("workers") or "1", "--workers"),
        cluster=cluster_options(chosen.args, chosen.settings),
    )


def _values_of_now(words: list[str]) -> dict[str, str]:
    """Return `--env` words as values; a NAME alone takes the value it has here."""
    result = {}
    for name, value in values.variables(words, "--env").items():
        if value is None and name not in os.environ:
            raise ContainerizeError(
                "usage",
                what=f"`--env {name}`: there is no variable {name} here.",
                fix=f"Give it a value: --env {name}=VALUE",
            )
        result[name] = os.environ[name] if value is None else value
    return result


def _output(text: str) -> str:
    if not text:
        return ""
    kind, _, path = text.partition(":")
    if kind not in _OUTPUTS or not path:
        raise ContainerizeError(
            "usage",
            what=f"`--output {text}` is not an output.",
            fix="Write oci:DIR, oci-archive:FILE or docker-archive:FILE.",
        )
    return f"{kind}:{values.absolute(path)}"


def _engine(text: str) -> str:
    if text not in ("", "docker"):
        raise ContainerizeError(
            "usage", what=f"`--to {text}` is no engine.", fix="Write --to docker."
        )
    return text


def base_name(text: str) -> str:
    """Return a base as requests name it: a layout by its absolute path."""
    kind, colon, path = text.partition(":")
    return f"{kind}:{values.absolute(path)}" if colon and kind == "oci" else text


def image_name(text: str) -> str:
    """Return the image that a word means: a notebook's path stands for the notebook's image.

    A layout keeps its kind, with an absolute path.
    """
    kind, colon, path = text.partition(":")
    if colon and kind in _OUTPUTS and os.path.exists(path):
        return f"{kind}:{values.absolute(path)}"
    if text.endswith(".ipynb"):
        return str(Reference.from_title(os.path.basename(text).removesuffix(".ipynb")))
    return text


_Maker = Callable[[argparse.Namespace, str, Containerize], Request]
_MAKERS: dict[str, _Maker] = {
    "build": _build,
    "plan": _build,
    "serve": _serve,
    "run": _run,
    "verify": _verify,
    "runs": lambda args, store, settings: RunsRequest(place_of(args, settings), store),
    "update": lambda args, store, settings: UpdateRequest(
        args.run,
        image_name(args.image or ""),
        ClusterOptions(
            registry=args.registry or settings.registry,
            pull_secret=args.pull_secret or settings.pull_secret,
        ),
        store,
    ),
    "scale": lambda args, store, _: ScaleRequest(
        args.run, values.count(args.replicas, "scale"), store
    ),
    "history": lambda args, store, _: HistoryRequest(args.run or "", store),
    "rollback": lambda args, store, _: RollbackRequest(
        args.run or "", values.count(args.revision, "--revision") if args.revision else 0, store
    ),
    "forward": lambda args, store, _: ForwardRequest(
        args.run or "", values.count(args.port, "--port") if args.port else 0, store
    ),
    "export": _export,
    "outputs": lambda args, store, _: OutputsRequest(
        args.run or "", values.absolute(args.output or ""), store
    ),
    "ls": lambda _, store, __: StoreRequest(store),
    "gc": lambda _, store, __: StoreRequest(store),
    "inspect": lambda args, store, _: ImageRequest(
        image_name(args.image or ""), bool(args.snapshot), bool(args.remote), store
    ),
    "validate": lambda args, store, _: ImageRequest(image_name(args.image or ""), store=store),
    "diff": lambda args, store, _: DiffRequest(image_name(args.old), image_name(args.new), store),
    "tag": lambda args, store, _: TagRequest(
        image_name(args.image), str(Reference.parse(args.name)), store
    ),
    "push": lambda args, store, _: PushRequest(
        str(Reference.parse(args.reference)),
        image_name(args.image or ""),
        args.compression or "",
        store,
    ),
    "rm": lambda args, store, _: RemoveRequest(tuple(args.names), store),
    "logs": lambda args, store, _: LogsRequest(args.run or "", bool(args.follow), store),
    "stop": lambda args, store, _: StopRequest(
        args.run or "", values.time_s(args.grace, "--grace") if args.grace else _GRACE_S, store
    ),
    "doctor": lambda args, store, _: DoctorRequest(values.absolute(args.notebook or ""), store),
}
