"""Which Jupyter Servers the extension can be loaded into."""

from __future__ import annotations

from packaging.version import Version

from ...errors import ContainerizeError

#: The first with an authorizer that is asked for each action, and with identities.
OLDEST = Version("2.0")


def check(version: str) -> None:
    """Refuse a Jupyter Server that is too old. Errors: `server-too-old`."""
    if Version(version) < OLDEST:
        raise ContainerizeError(
            "server-too-old",
            what=f"The side panel and its API are not there: Jupyter Server {version} is too old.",
            why=f"They need Jupyter Server {OLDEST} or newer, and the panel JupyterLab 4 or Notebook 7.",
            fix="Run `pip install --upgrade jupyterlab` in the environment of the server and restart it. "
            "`%containerize` and `jupyter containerize` work without them.",
        )
