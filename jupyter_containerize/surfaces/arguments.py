"""The commands and their options: one parser for the command line and for the magic."""

from __future__ import annotations

from typing import Any

from .._version import __version__
from .cluster_arguments import add_cluster, add_place, add_services
from .usage import BEHIND, Parser

COMMAND_LINE = "jupyter containerize"
MAGIC = "%containerize"

_DESCRIPTION = (
    "Turn a notebook into a container image that is proven to do what the notebook did, "
    "and run it: with no daemon and no root."
)

_HELP = {
    "build": "build an image of a notebook",
    "plan": "show what an image would contain, and why, without building it",
    "serve": "make an image that serves a model or a function over HTTP",
    "run": "run an image and follow its output",
    "verify": "run an image without network and compare its outputs with the notebook's",
    "runs": "list runs",
    "logs": "show the output of a run",
    "outputs": "fetch the outputs of a run",
    "update": "serve another image in a cluster, without losing a request",
    "scale": "serve with another number of pods",
    "history": "list what a service in a cluster has served",
    "rollback": "return a service to what it served before",
    "forward": "reach a service in a cluster from this machine",
    "export": "write an image as a Dockerfile or as Kubernetes manifests, for use without this program",
    "stop": "stop a run",
    "rm": "remove images or runs",
    "ls": "list images",
    "inspect": "show what is in an image, and why",
    "diff": "show what changed between two images, and what that costs",
    "tag": "give an image another name",
    "push": "bring an image into a registry",
    "gc": "free what no image or run needs any more",
    "validate": "recompute every digest of an image",
    "doctor": "tell what works on this machine, and what to do about the rest",
}


def parser(*, magic: bool = False) -> Parser:
    """Return the parser of `jupyter containerize`, or of `%containerize`."""
    prog = MAGIC if magic else COMMAND_LINE
    top = Parser(prog=prog, description=_DESCRIPTION)
    top.add_argument("--version", action="version", version=f"jupyter-containerize {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    common = _common()
    made: dict[str, Parser] = {}
    for name, text in _HELP.items():
        description = text[0].upper() + text[1:] + "."
        made[name] = commands.add_parser(
            name, prog=f"{prog} {name}", help=text, description=description, parents=[common]
        )
    for name in ("build", "plan"):
        _notebook(made[name], optional=magic)
        _capture(made[name])
    _build(made["build"])
    _serve(made["serve"], magic=magic)
    image = "name or digest (default: the newest)"
    for name in ("run", "verify", "inspect", "validate"):
        also = "; or oci:DIR, oci-archive:FILE" if name == "validate" else ""
        made[name].add_argument("image", metavar="IMAGE", nargs="?", help=image + also)
    running = made["build"].add_argument_group("running and proving")
    _running(running, parameters=True)
    _proving(running)
    _running(made["run"], parameters=True)
    made["run"].add_argument("-e", "--env", **_ENV)
    made["run"].set_defaults(**{BEHIND: None})
    made["run"].epilog = "`-- COMMAND …` at the end runs that instead of the notebook."
    made["run"].add_argument("-d", "--detach", **_FLAG, help="return as soon as it has started")
    made["inspect"].add_argument(
        "--snapshot", **_FLAG, help="print the snapshot as JSON, by docs/snapshot.schema.json"
    )
    made["inspect"].add_argument(
        "--remote", **_FLAG, help="ask the registry, also when the image is here"
    )
    _running(made["verify"], parameters=False)
    made["verify"].add_argument("-e", "--env", **_ENV)
    _proving(made["verify"])
    for name in ("build", "run", "serve", "export"):
        add_cluster(made[name])
    add_services(made, image=image)
    _running(made["export"], parameters=True)
    made["export"].add_argument("-e", "--env", **_ENV)
    _rest(made)
    return top


_FLAG: dict[str, Any] = {"action": "store_true", "default": None}
_ENV: dict[str, Any] = {
    "action": "append",
    "default": [],
    "metavar": "NAME[=VALUE]",
    "help": "set an environment variable (NAME alone: as it is now); may be repeated",
}


def _common() -> Parser:
    common = Parser(add_help=False)
    common.add_argument("--store", metavar="DIR", help="folder of the image store")
    common.add_argument("--json", **_FLAG, help="print events as JSON, one a line")
    return common


def _notebook(command: Parser, *, optional: bool) -> None:
    if optional:
        command.add_argument(
            "notebook", metavar="NOTEBOOK", nargs="?", help="notebook file (default: this one)"
        )
    else:
        command.add_argument("notebook", metavar="NOTEBOOK", help="notebook file")


def _capture(command: Parser) -> None:
    add = command.add_argument
    add("-t", "--tag", metavar="NAME:TAG", help="name of the image (default: the notebook's)")
    add(
        "--base",
        metavar="BASE",
        help="what lies under the image: host (default), an image's name, or oci:DIR",
    )
    if not command.prog.endswith("serve"):  # its object lives in this machine's kernel
        add(
            "--platform",
            metavar="OS/ARCH",
            help="build for linux/arm64, say (needs --base); several with commas make one index",
        )
    add("--pull", **_FLAG, help="ask the registry whether it has a newer base")
    add("--slim", **_FLAG, help="leave out tests, type stubs, headers and static libraries")
    add(
        "--include",
        action="append",
        default=[],
        metavar="PATH",
        help="put a file or folder into the image; may be repeated",
    )
    add("--no-execute", **_FLAG, help="do not run the cells: import what they name, then build")
    add("--allow-errors", **_FLAG, help="build although a cell fails")
    add(
        "--mark-cell",
        action="append",
        default=[],
        metavar="N=TAG",
        help="treat cell N as if it had a tag, such as 3=skip; may be repeated",
    )
    add(
        "--allow-secret",
        action="append",
        default=[],
        metavar="WHAT",
        help="accept a secret that was found, by the name the error gives; may be repeated",
    )
    add("--max-file-size", metavar="SIZE", help="stop at larger data files (default: 100 MB)")
    add("-e", "--env", **{**_ENV, "help": f"put into the image: {_ENV['help']}"})
    add(
        "--kernel",
        metavar="NAME",
        help="kernel to start, by its name or its Python's path (default: the notebook's own)",
    )
    add("--cell-timeout", metavar="TIME", help="give up when one cell takes longer")
    if command.prog.endswith("plan"):
        _mount(command)


def _serve(command: Parser, *, magic: bool) -> None:
    add = command.add_argument
    if magic:
        add("object", metavar="EXPRESSION", help="what to serve: a variable, or an expression")
        command.set_defaults(notebook=None)
        command.typed = "model"
    else:
        _notebook(command, optional=False)
        command.typed = "notebook.ipynb --object model"
        add(
            "--object",
            metavar="EXPRESSION",
            required=True,
            help="what to serve, as a cell names it",
        )
    add("--example", metavar="EXPRESSION", help="an example of its input, such as X_test.head()")
    add("--compile", metavar="FORMAT", choices=("onnx",), help="serve it with onnxruntime: onnx")
    add(
        "--batches",
        **_FLAG,
        help="the function takes rows of several requests at once",
    )
    add(
        "--package",
        action="append",
        default=[],
        metavar="NAME",
        help="add an installed package that serving was not seen to use; may be repeated",
    )
    _capture(command)
    _writing(command)
    add("--run", **_FLAG, help="run the service once it is proven, and follow its log")
    add("-d", "--detach", **_FLAG, help="with --run: return as soon as it answers")
    add(
        "--port",
        dest="host_port",
        metavar="PORT",
        help="with --run: port of this machine (default: any free one)",
    )
    _running(command.add_argument_group("running"), parameters=False)


def _build(command: Parser) -> None:
    _writing(command)
    command.add_argument("--run", **_FLAG, help="run the image once it is built")
    command.add_argument(
        "--verify", **_FLAG, help="run it without network and compare with the notebook's outputs"
    )


def _writing(command: Parser) -> None:
    command.add_argument(
        "-o",
        "--output",
        metavar="KIND:PATH",
        help="also write the image to oci:DIR, oci-archive:FILE or docker-archive:FILE",
    )
    command.add_argument("--to", metavar="ENGINE", help="also put the image into an engine: docker")
    command.add_argument(
        "--builder", metavar="NAME", help="how to build: daemonless (default), docker"
    )


def _mount(command: Any) -> None:
    command.add_argument(
        "--mount",
        action="append",
        default=[],
        metavar="HOST:PATH[:ro]",
        help="take a file or folder from this machine at run time; may be repeated",
    )


def _running(command: Any, *, parameters: bool) -> None:
    add = command.add_argument
    if parameters:
        add(
            "-p",
            "--parameter",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="set a notebook parameter; may be repeated",
        )
        add("--network", **_FLAG, help="let the run use this machine's network")
        add(
            "--port",
            action="append",
            default=[],
            metavar="[HOST:]PORT",
            help="reach the run's port from this machine; may be repeated",
        )
        add(
            "--restart",
            metavar="WHEN",
            help="start it again: no, on-failure, always (docker; default: no, for a detached service on-failure)",
        )
    _mount(command)
    add("--memory", metavar="SIZE", help="stop the run when it uses more")
    add("--cpus", metavar="N", help="let the run use so many processors' time")
    add("--gpus", metavar="N", help="let the run use so many GPUs, or all")
    add("--processes", metavar="N", help="stop the run when it has more processes")
    add("--timeout", metavar="TIME", help="stop the run when it takes longer")
    if parameters:
        add("--workers", metavar="N", help="train in so many processes that know of one another")
    add("--runtime", metavar="NAME", help="how to run: sandbox (default), docker, kubernetes")


def _proving(command: Any) -> None:
    command.add_argument(
        "--rtol", metavar="X", help="how far numbers may differ, relatively (default: 1e-6)"
    )


def _rest(made: dict[str, Parser]) -> None:
    run: dict[str, Any] = {
        "metavar": "RUN",
        "nargs": "?",
        "help": "the run's id (default: the newest)",
    }
    made["logs"].add_argument("run", **run)
    made["logs"].add_argument("-f", "--follow", **_FLAG, help="follow until the run ends")
    made["outputs"].add_argument("run", **run)
    made["outputs"].add_argument("-o", "--output", metavar="DIR", help="also copy them there")
    add_place(made["runs"])
    made["stop"].add_argument("run", **run)
    made["stop"].add_argument(
        "--grace", metavar="TIME", help="time to end by itself before it is killed (default: 10)"
    )
    made["rm"].add_argument(
        "names", metavar="IMAGE|RUN", nargs="+", help="names or digests of images, ids of runs"
    )
    made["diff"].add_argument("old", metavar="A", help="image to compare")
    made["diff"].add_argument("new", metavar="B", help="with this one")
    made["export"].add_argument(
        "--dockerfile", metavar="DIR", help="folder to write a Dockerfile with its context to"
    )
    made["export"].add_argument(
        "--base", metavar="IMAGE", help="what the Dockerfile builds on (default: Python's image)"
    )
    made["tag"].add_argument("image", metavar="IMAGE", help="name or digest")
    made["tag"].add_argument("name", metavar="NAME:TAG", help="the further name")
    made["push"].add_argument(
        "image", metavar="IMAGE", nargs="?", help="name or digest (default: REF's, or the newest)"
    )
    made["push"].add_argument("reference", metavar="REF", help="registry/repository:tag")
    made["push"].add_argument(
        "--compression", metavar="NAME", help="how layers are compressed: gzip (default) or zstd"
    )
    made["doctor"].add_argument(
        "notebook", metavar="NOTEBOOK", nargs="?", help="look at this notebook's kernel as well"
    )
