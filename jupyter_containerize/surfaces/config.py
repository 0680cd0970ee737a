"""Defaults that a user sets once: `%config Containerize.store = "..."`, or a Jupyter config file.

`jupyter_containerize_config.py` or `.json` in any of Jupyter's config folders (see
`jupyter --paths`) is read by the magic and by the command line alike.
"""

from __future__ import annotations

from typing import Any

from jupyter_core.paths import jupyter_config_path
from traitlets import Bool, Unicode
from traitlets.config import Config, Configurable
from traitlets.config.loader import ConfigFileNotFound, JSONFileConfigLoader, PyFileConfigLoader

from ..errors import ContainerizeError

CONFIG_NAME = "jupyter_containerize_config"


class Containerize(Configurable):  # type: ignore[misc] # traitlets is not typed here
    """Defaults of `%containerize` and `jupyter containerize`."""

    store = Unicode("", help="Folder of the image store.").tag(config=True)
    base = Unicode("host", help="What lies under an image.").tag(config=True)
    builder = Unicode("", help="Builder to use; empty: the one that suits.").tag(config=True)
    to = Unicode("", help="Engine to put every image into: docker.").tag(config=True)
    runtime = Unicode("", help="Runtime to use; empty: the one that suits.").tag(config=True)
    widget = Bool(True, help="Show the widget for `%containerize` alone.").tag(config=True)  # noqa: FBT003
    run = Bool(False, help="Run every image once it is built.").tag(config=True)  # noqa: FBT003
    verify = Bool(False, help="Verify every image once it is built.").tag(config=True)  # noqa: FBT003
    network = Bool(False, help="Let runs use this machine's network.").tag(config=True)  # noqa: FBT003
    memory = Unicode("", help="Memory limit of a run, such as 4G.").tag(config=True)
    processes = Unicode("", help="Most processes of a run.").tag(config=True)
    timeout = Unicode("", help="Time limit of a run, such as 2h.").tag(config=True)
    cell_timeout = Unicode("", help="Time limit of one cell, such as 10m.").tag(config=True)
    rtol = Unicode("1e-6", help="How far numbers may differ, relatively.").tag(config=True)
    context = Unicode("", help="Kubernetes cluster, by its context in kubeconfig.").tag(config=True)
    namespace = Unicode("", help="Namespace in the cluster.").tag(config=True)
    registry = Unicode("", help="Where images are pushed for a cluster, HOST/NAME.").tag(
        config=True
    )
    pull_secret = Unicode("", help="Secret with which a cluster's nodes pull images.").tag(
        config=True
    )
    max_file_size = Unicode("100000000", help="Stop at larger data files.").tag(config=True)


def load_file_config() -> Config:
    """Return what the Jupyter config files say; the user's own wins. Errors: `bad-config`."""
    config = Config()
    for folder in reversed(jupyter_config_path()):
        for loader, ending in ((PyFileConfigLoader, "py"), (JSONFileConfigLoader, "json")):
            name = f"{CONFIG_NAME}.{ending}"
            try:
                config.merge(loader(name, path=folder).load_config())
            except ConfigFileNotFound:
                continue
            except Exception as error:  # a config file is a program: it may raise anything
                raise ContainerizeError(
                    "bad-config",
                    what=f"The config file {folder}/{name} cannot be read.",
                    why=f"{type(error).__name__}: {error}",
                    fix="Mend the file, or move it away.",
                ) from error
    return config


def settings(config: Config | None = None, **keywords: Any) -> Containerize:
    """Return the settings for `config` (default: the config files). Errors: `bad-config`."""
    try:
        return Containerize(config=load_file_config() if config is None else config, **keywords)
    except ContainerizeError:
        raise
    except Exception as error:  # traitlets raises TraitError and more for values that do not fit
        raise ContainerizeError(
            "bad-config",
            what="A setting of Containerize does not fit.",
            why=str(error),
            fix=f"Mend it in {CONFIG_NAME}.py or .json (`jupyter --paths` lists the folders).",
        ) from error
