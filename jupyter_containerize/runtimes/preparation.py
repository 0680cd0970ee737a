"""From an image, a run's wishes and an isolation method to what the supervisor starts."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, replace

from ..errors import ContainerizeError
from ..model.image import Image
from ..model.plan import LABEL_WRITABLE
from ..model.run import Mount, RunSpec
from . import bubblewrap, proot, run_folder
from .identity import default_environment, user_ids
from .isolation import Method
from .launch import Launch, Published
from .layout import Layout
from .ports import SOCKETS
from .rootfs import Rootfs

#: Made writable by the runtime itself, whatever the image says.
_OWN_PLACES = ("/tmp", "/dev/shm", "/outputs")  # noqa: S108 - the container's
_HOSTS = "127.0.0.1 localhost containerize\n::1 localhost\n"


@dataclass(frozen=True, slots=True)
class Preparation:
    """Everything that goes into one run, put together in the run's folder."""

    image: Image
    spec: RunSpec
    rootfs: Rootfs
    method: Method
    folder: str

    def launch(self, *, lock: int, ports: tuple[Published, ...] = ()) -> Launch:
        """Return what the supervisor needs; makes folders and, without overlays, the root."""
        os.mkdir(self._sockets)
        launch = self._launch_proot() if self.method is Method.PROOT else self._launch_bubblewrap()
        return replace(
            launch,
            lock=lock,
            ports=ports,
            stop_signal=self._stop_signal,
            limits=self.spec.limits,
        )

    def _launch_bubblewrap(self) -> Launch:
        program = bubblewrap.program()
        if program is None:
            raise bubblewrap.missing()
        made = bubblewrap.options(self._layout(), overlay=self.method is Method.OVERLAY)
        return Launch(
            kind="bubblewrap",
            program=(program,),
            command=command_of(self.image, self.spec),
            environment=self._environment(),
            arguments=tuple(made.arguments),
            layers=made.layers,
            own_network=not self.spec.network,
        )

    def _launch_proot(self) -> Launch:
        program, confinement = proot.prepare(self._layout())
        own = {"PROOT_LOADER": os.path.join(self._scratch, proot.LOADER)}
        return Launch(
            kind="proot",
            program=tuple(program),
            command=proot.reporting(command_of(self.image, self.spec), self.rootfs),
            environment={**self._environment(), **own},
            confinement=confinement,
            folder=self.folder,
            linked=self.rootfs.layers if confinement.landlock else (),
        )

    def _layout(self) -> Layout:
        resolve = self.rootfs.resolve
        sockets = (Mount(self._sockets, SOCKETS),) if self.spec.ports else ()
        return Layout(
            rootfs=self.rootfs,
            scratch=self._scratch,
            writable=self._writable(),
            outputs=os.path.join(self.folder, run_folder.OUTPUTS),
            files={resolve(path): source for path, source in self._files().items()},
            mounts={resolve(mount.path): mount for mount in (*self.spec.mounts, *sockets)},
            working_dir=resolve(self.image.config.working_dir or "/"),
            user=user_ids(self._user, self.rootfs),
            network=self.spec.network,
        )

    @property
    def _sockets(self) -> str:
        return os.path.join(self._scratch, "sockets")

    @property
    def _scratch(self) -> str:
        return os.path.join(self.folder, run_folder.SCRATCH)

    @property
    def _user(self) -> str:
        return self.spec.user or self.image.config.user

    @property
    def _stop_signal(self) -> int:
        name = self.image.config.stop_signal
        return int(getattr(signal, name, signal.SIGTERM))

    def _environment(self) -> dict[str, str]:
        return {
            **default_environment(self._user, self.rootfs),
            **self.image.config.environment,
            **self.spec.environment,
        }

    def _writable(self) -> tuple[str, ...]:
        """Return the image's own writable folders, resolved, none inside another."""
        own = {self.rootfs.resolve(path) for path in _OWN_PLACES}
        named = {self.rootfs.resolve(path) for path in writable_folders(self.image)}
        found: list[str] = []
        for path in sorted(named - own):
            inside = (self.rootfs.resolve("/tmp"), *found)  # noqa: S108 - the container's
            if not any(path.startswith(f"{above.rstrip('/')}/") for above in inside):
                found.append(path)
        return tuple(found)

    def _files(self) -> dict[str, str]:
        """Return the files that name machines, as Docker puts them into every container."""
        texts = {"/etc/hosts": _HOSTS}
        if self.spec.network:
            for path in ("/etc/hosts", "/etc/resolv.conf"):
                if os.path.exists(path):
                    with open(path, encoding="utf-8", errors="surrogateescape") as file:
                        texts[path] = file.read()
        made = {}
        for path, text in texts.items():
            made[path] = os.path.join(self._scratch, os.path.basename(path))
            with open(made[path], "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
        return made


def command_of(image: Image, spec: RunSpec) -> tuple[str, ...]:
    """Return what the container runs, parameters last. Errors: `no-command`."""
    if spec.entrypoint is not None:
        return spec.entrypoint
    parameters = [p for item in spec.parameters.items() for p in ("-p", "=".join(item))]
    command = (*image.config.entrypoint, *image.config.command, *parameters)
    if not command:
        raise ContainerizeError(
            "no-command",
            what="The image does not say what to run.",
            why="It has neither an entry point nor a command.",
            fix="Write the command after --.",
        )
    return command


def writable_folders(image: Image) -> tuple[str, ...]:
    """Return the folders that the image's label asks to be writable."""
    try:
        named = json.loads(image.config.labels.get(LABEL_WRITABLE, "[]"))
    except ValueError:
        named = []
    return tuple(path for path in named if isinstance(path, str) and path.startswith("/"))


def check_mounts(mounts: tuple[Mount, ...]) -> None:
    """Refuse mounts that cannot be, all at once. Errors: `mount-missing`, `bad-mount`."""
    problems = [problem for mount in mounts if (problem := _mount_problem(mount))]
    if problems:
        raise ContainerizeError.together(problems)


def _mount_problem(mount: Mount) -> ContainerizeError | None:
    if not os.path.isabs(mount.host) or not os.path.isabs(mount.path):
        return ContainerizeError(
            "bad-mount",
            what=f"The mount {mount.host}:{mount.path} has a relative path.",
            fix="Write both paths from the root: --mount /data/x.csv:/home/me/x.csv:ro",
        )
    if os.path.normpath(mount.path) in ("/", "/proc", "/dev", "/sys"):
        return ContainerizeError(
            "bad-mount",
            what=f"Nothing can be mounted over {mount.path} in a container.",
            fix="Choose a path below it.",
        )
    if not os.path.exists(mount.host):
        return ContainerizeError(
            "mount-missing",
            what=f"{mount.host} cannot be mounted: it does not exist, or may not be read.",
            fix="Correct the part before the colon of --mount HOST:PATH.",
        )
    return None
