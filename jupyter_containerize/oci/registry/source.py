"""A repository of a registry as a place that bases come from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from ...model.reference import Reference
from .client import DELAYS_S, BrokenConnectionError
from .repository import Repository


@dataclass(frozen=True, slots=True)
class RegistrySource:
    """The image that `reference` names in its registry; without a registry, in Docker Hub."""

    reference: Reference
    opened: Repository

    @classmethod
    def open(cls, reference: Reference) -> RegistrySource:
        """Return the source, once the registry has let us in. Errors: `registry-...`."""
        return cls(reference, Repository.open(reference, write=False))

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.reference)

    @property
    def repository(self) -> str:
        """Registry and repository."""
        return self.opened.full_name

    def document(self, digest: str = "") -> tuple[bytes, str]:
        """See `Source`."""
        found = self.opened.manifest(digest or self.reference.digest or self.reference.tag)
        return found.data, found.digest

    def fetch(
        self, digest: str, size_bytes: int, write: Callable[[bytes], None], cancel: threading.Event
    ) -> None:
        """See `Source`: a broken download goes on where it broke."""
        del size_bytes
        doing = f"getting {digest[:19]} of {self.opened.full_name}"
        done = failures = 0
        client = self.opened.client
        while True:
            try:
                with client.stream(
                    self.opened.path("blobs", digest), doing=doing, start=done
                ) as pieces:
                    for piece in pieces:
                        if cancel.is_set():
                            client.cancel.set()
                        write(piece)
                        done += len(piece)
                        failures = 0
            except BrokenConnectionError as error:  # noqa: PERF203 - that is what a try is
                if error.final or failures == len(DELAYS_S):
                    raise error.problem from error
                client.pause(max(error.pause_s, DELAYS_S[failures]))
                failures += 1
            else:
                return
