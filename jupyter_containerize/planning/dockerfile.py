"""A snapshot and its plan as a Dockerfile with its context, as a person would write it. Pure."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping

from ..model.options import RecipeOptions
from ..model.plan import (
    GUEST_CONFIG_FILE,
    OUTPUTS_FOLDER,
    ROOT,
    SERVICE_PORT,
    Base,
    BaseKind,
    BytecodeContent,
    ContextFile,
    Entry,
    FileContent,
    FolderContent,
    ImageKind,
    ImagePlan,
    InlineContent,
    LayerKind,
    LinkContent,
    Recipe,
)
from ..model.reasons import Finding, Severity
from ..model.snapshot import Distribution, Snapshot
from .config import writable_folders
from .requirements import HASHED, UNHASHED, Requirements, requirements
from .system import USER_ID, USER_NAME, home_of
from .system_packages import apt_packages, codename, unowned

VENV = "/opt/venv"
_OURS = "containerize"
_NOTEBOOK = "notebook"
_ELSEWHERE = "elsewhere"
_PACKAGES = "packages"
_SHARED = ("/tmp", "/dev/shm")  # noqa: S108 - the image's
_IGNORED = "**/__pycache__\n**/*.pyc\n**/.git\n**/.ipynb_checkpoints\n"


def recipe(snapshot: Snapshot, plan: ImagePlan, options: RecipeOptions) -> Recipe:
    """Return the Dockerfile and context of an image that does what `plan`'s does.

    Packages come from the index, libraries and programs from Debian; local code, data, cells
    and the guest are in the context.
    """
    return _Writer(snapshot, plan, options).recipe()


class _Writer:
    def __init__(self, snapshot: Snapshot, plan: ImagePlan, options: RecipeOptions) -> None:
        self._snapshot = snapshot
        self._plan = plan
        self._options = options
        self._files: dict[str, ContextFile] = {}
        self._copies: dict[str, str] = {}
        self._findings: list[Finding] = [*unowned(snapshot)]
        self._requirements = requirements(
            snapshot, options.hashes, why_no_hashes=options.why_no_hashes
        )
        self._findings += self._requirements.findings

    def recipe(self) -> Recipe:
        self._put_texts(self._requirements)
        for one in self._requirements.copied:
            self._copy_distribution(one)
        for layer in self._plan.layers:
            if layer.kind in (LayerKind.LOCAL_CODE, LayerKind.DATA):
                for entry in layer.entries:
                    self._copy_own(entry)
            elif layer.kind in (LayerKind.GUEST, LayerKind.NOTEBOOK, LayerKind.ARTIFACT):
                for entry in layer.entries:
                    self._copy_ours(entry)
        text = "\n".join(self._blocks())
        self._put("Dockerfile", InlineContent(text))
        self._put(".dockerignore", InlineContent(_IGNORED))
        files = tuple(self._files[path] for path in sorted(self._files))
        return Recipe(files, self._options.buildkit, tuple(self._findings))

    # -- the context ----------------------------------------------------------------------

    def _put(self, path: str, content: InlineContent) -> None:
        self._files[path] = ContextFile(path, content)

    def _put_texts(self, found: Requirements) -> None:
        for name, text in ((HASHED, found.hashed), (UNHASHED, found.unhashed)):
            if text:
                self._put(name, InlineContent(text))

    def _copy_distribution(self, one: Distribution) -> None:
        """Copy a package installed from a local folder: no index has it."""
        for file in one.files:
            place = posixpath.relpath(file.path, one.location)
            if not place.startswith(".."):
                content = FileContent(file.path, file.size_bytes, file.mtime_ns, file.sha256)
                path = f"{_PACKAGES}/{place}"
                self._files[path] = ContextFile(path, content, file.executable)

    def _copy_own(self, entry: Entry) -> None:
        """Copy local code or data: what is in the notebook's folder keeps its shape."""
        if isinstance(entry.content, BytecodeContent) or self._is_made(entry):
            return
        folder = self._snapshot.notebook.folder
        if folder not in ("", "/") and entry.target.startswith(f"{folder}/"):
            self._add(f"{_NOTEBOOK}/{posixpath.relpath(entry.target, folder)}", entry)
            self._copies[_NOTEBOOK] = folder
            return
        # One numbered folder for each folder elsewhere: no name of ours can be in its way.
        parent, name = posixpath.split(entry.target)
        known = {place: source for source, place in self._copies.items()}
        source = known.get(parent) or f"{_ELSEWHERE}/{len(self._copies)}"
        self._copies[source] = parent
        self._add(f"{source}/{name}", entry)

    def _is_made(self, entry: Entry) -> bool:
        """Whether an entry is a folder that the image has anyway: one to write to, or above one."""
        return isinstance(entry.content, FolderContent) and any(
            f"{folder}/".startswith(f"{entry.target.rstrip('/')}/")
            for folder in writable_folders(self._snapshot)
        )

    def _copy_ours(self, entry: Entry) -> None:
        path = f"{_OURS}/{posixpath.relpath(entry.target, ROOT)}"
        if entry.target == GUEST_CONFIG_FILE and isinstance(entry.content, InlineContent):
            # The base's Python has its own search path; what it lacks is in PYTHONPATH.
            settings = {**json.loads(entry.content.text), "sys_path": []}
            text = json.dumps(settings, sort_keys=True, indent=1) + "\n"
            self._put(path, InlineContent(text))
            return
        if not isinstance(entry.content, BytecodeContent):
            self._add(path, entry)

    def _add(self, path: str, entry: Entry) -> None:
        executable = entry.mode & 0o100 != 0 and not isinstance(entry.content, LinkContent)
        self._files[path] = ContextFile(path, entry.content, executable)

    # -- the Dockerfile -------------------------------------------------------------------

    def _blocks(self) -> Iterator[str]:
        """Yield the Dockerfile's parts, from what changes least to what changes most."""
        name = self._snapshot.notebook.name
        yield f"# Made by jupyter-containerize from {_one_line(name)}; yours to keep and to change."
        yield f"# Build it in this folder:  docker build -t {self._plan.name} ."
        if self._options.buildkit:
            yield "# (Docker before 23 needs DOCKER_BUILDKIT=1 in its environment.)"
        yield ""
        yield f"ARG BASE={base_name(self._snapshot, self._plan.base, self._options.base)}"
        yield "FROM ${BASE}\n"
        yield from self._system()
        yield from self._packages()
        yield from self._user()
        yield from self._own_files()
        yield from self._settings()

    def _system(self) -> Iterator[str]:
        packages = apt_packages(self._snapshot)
        if not packages:
            return
        yield "# Shared libraries and programs that packages and cells use."
        caches = ""
        if self._options.buildkit:
            caches = "".join(
                f"--mount=type=cache,target={path},sharing=locked \\\n    "
                for path in ("/var/cache/apt", "/var/lib/apt/lists")
            )
        names = " \\\n        ".join(packages)
        clean = "" if self._options.buildkit else " \\\n && rm -rf /var/lib/apt/lists/*"
        yield (
            f"RUN {caches}apt-get update \\\n && apt-get install -y --no-install-recommends \\\n"
            f"        {names}{clean}\n"
        )

    def _packages(self) -> Iterator[str]:
        version = self._snapshot.interpreter.version.split(".")[:2]
        wanted = f"({', '.join(version)})"
        yield "# The packages of the kernel, in a virtual environment of their own."
        yield (
            f'RUN python3 -c "import sys; sys.exit(0 if sys.version_info[:2] == {wanted} else '
            f"'the kernel ran Python {'.'.join(version)}, this base has another')\" \\\n"
            f" && python3 -m venv {VENV}"
        )
        yield f'ENV PATH="{VENV}/bin:$PATH"'
        found = self._requirements
        if self._options.buildkit and (found.hashed or found.unhashed):
            yield "# Packages of a private index: docker build --secret id=pip,src=$HOME/.config/pip/pip.conf"
        for name, text, option in (
            (HASHED, found.hashed, " --require-hashes"),
            (UNHASHED, found.unhashed, ""),
        ):
            if text:
                yield f"COPY {name} /tmp/"
                yield f"RUN {self._cache}pip install --no-deps{option} -r /tmp/{name}"
        if any(path.startswith(f"{_PACKAGES}/") for path in self._files):
            site = f"{VENV}/lib/python{'.'.join(version)}/site-packages"
            yield f"COPY {_PACKAGES}/ {site}/"
        yield ""

    @property
    def _cache(self) -> str:
        if not self._options.buildkit:
            return ""
        return (
            "--mount=type=cache,target=/root/.cache/pip \\\n"
            "    --mount=type=secret,id=pip,target=/root/.config/pip/pip.conf \\\n    "
        )

    def _user(self) -> Iterator[str]:
        snapshot = self._snapshot
        folders = [one for one in writable_folders(snapshot) if one not in _SHARED]
        home = home_of(snapshot)
        quoted = " ".join(_shell(folder) for folder in dict.fromkeys([*folders, OUTPUTS_FOLDER]))
        yield "# Not root. Folders that cells write to are the user's, and group 0's."
        reach = ""
        if "/root" not in folders and any(one.startswith("/root/") for one in folders):
            reach = " \\\n && chmod 0755 /root"
        yield (
            f"RUN getent passwd {USER_ID} >/dev/null || \\\n"
            f"    useradd --uid {USER_ID} --gid 0 --no-create-home --home-dir {_shell(home)} {USER_NAME}; \\\n"
            f"    install -d -o {USER_ID} -g 0 -m 0775 {quoted}{reach}\n"
        )

    def _own_files(self) -> Iterator[str]:
        yield "# Local code and data, then what runs the cells, then the cells."
        for source, target in sorted(self._copies.items(), key=lambda one: one[1]):
            yield _copy(f"{source}/", f"{target.rstrip('/')}/", owner=True)
        ours = f"{_OURS}/"
        for folder in sorted({path.split("/")[1] for path in self._files if path.startswith(ours)}):
            place = f"{_OURS}/{folder}"
            is_file = place in self._files
            yield _copy(
                place if is_file else f"{place}/", f"{ROOT}/{folder}" + ("" if is_file else "/")
            )
        yield ""

    def _settings(self) -> Iterator[str]:
        config = self._plan.config
        variables = {name: value for name, value in config.environment.items() if name != "PATH"}
        roots = self._search_path()
        if roots:
            variables["PYTHONPATH"] = ":".join(roots)
        yield from self._pairs("ENV", variables)
        yield from self._pairs("LABEL", config.labels)
        yield f"USER {config.user}"
        yield f"WORKDIR {_escaped(config.working_dir)}"
        yield f"STOPSIGNAL {config.stop_signal}"
        for port in config.exposed_ports:
            yield f"EXPOSE {port}"
        if self._plan.kind is ImageKind.INFERENCE:
            # A Docker format of its own: OCI images have no such thing.
            check = (
                "import urllib.request; urllib.request.urlopen("
                f"'http://127.0.0.1:{SERVICE_PORT}/v2/health/ready', timeout=5)"
            )
            yield "HEALTHCHECK --interval=10s --timeout=6s --start-period=60s \\"
            yield f"    CMD {json.dumps([f'{VENV}/bin/python', '-c', check])}"
        command = [f"{VENV}/bin/python", *config.entrypoint[1:], *config.command]
        yield f"ENTRYPOINT {json.dumps(command)}\n"

    def _search_path(self) -> list[str]:
        """Return the folders that local code is found in, but the notebook's own."""
        own = {self._snapshot.notebook.folder, self._snapshot.cwd}
        roots = dict.fromkeys(code.root for code in self._snapshot.local_code)
        return [root for root in roots if root not in own]

    def _pairs(self, word: str, values: Mapping[str, str]) -> Iterator[str]:
        pairs = []
        for name, value in sorted(values.items()):
            if "\n" in value or "\r" in value:
                self._findings.append(
                    Finding(
                        "value-of-several-lines",
                        Severity.WARNING,
                        what=f"The Dockerfile leaves out {name}.",
                        why="Its value has several lines, which a Dockerfile cannot hold.",
                        fix=f"Give it when you run the image: --env {name}",
                    )
                )
                continue
            pairs.append(f'{name}="{_escaped(value)}"')
        if pairs:
            yield f"{word} " + " \\\n    ".join(pairs)


def base_name(snapshot: Snapshot, base: Base, chosen: str) -> str:
    """Return what `FROM` names: the chosen base, else Python's image for the kernel's Debian."""
    if chosen:
        return chosen
    if base.kind is BaseKind.REGISTRY:
        return f"{base.reference}@{base.digest}" if base.digest else base.reference
    version = ".".join(snapshot.interpreter.version.split(".")[:2])
    return f"python:{version}-slim-{codename(snapshot) or 'bookworm'}"


def _copy(source: str, target: str, *, owner: bool = False) -> str:
    chown = f"--chown={USER_ID}:0 " if owner else ""
    if re.search(r"[\s\"\\]", target):
        return f"COPY {chown}{json.dumps([source, target.replace('$', chr(92) + '$')])}"
    return f"COPY {chown}{source} {target.replace('$', chr(92) + '$')}"


def _escaped(text: str) -> str:
    """Return a text for double quotes in a Dockerfile, where `$` begins a variable."""
    return re.sub(r'(["\\$])', r"\\\1", text)


def _shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'" if re.search(r"[^\w/.+-]", text) else text


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n]+", " ", text)
