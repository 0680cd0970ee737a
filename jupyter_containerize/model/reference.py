"""Image references, parsed once at the edge.

Source: distribution/reference grammar (registry/path:tag@digest).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..errors import ContainerizeError

_REGISTRY = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_REFERENCE = re.compile(
    rf"(?:(?P<registry>{_REGISTRY})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    rf"(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed `registry/repository:tag@digest`; `registry` is "" for local names."""

    registry: str
    repository: str
    tag: str
    digest: str | None = None

    def __str__(self) -> str:
        prefix = f"{self.registry}/" if self.registry else ""
        suffix = f"@{self.digest}" if self.digest else ""
        return f"{prefix}{self.repository}:{self.tag}{suffix}"

    @property
    def name(self) -> str:
        """Registry and repository, without tag or digest."""
        return f"{self.registry}/{self.repository}" if self.registry else self.repository

    def with_tag(self, tag: str) -> Reference:
        """Return the same name with another tag and no digest."""
        return replace(self, tag=tag, digest=None)

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a reference; the tag defaults to `latest`. Errors: `invalid-reference`."""
        match = _REFERENCE.fullmatch(text)
        if match is None or len(text) > _MAX_NAME + 256:
            raise _invalid(text)
        registry, path = match["registry"] or "", match["path"]
        if registry and not ("." in registry or ":" in registry or registry == "localhost"):
            # The grammar's first component is a registry only if it looks like a host.
            registry, path = "", f"{registry}/{path}"
            if not _NAME.fullmatch(path):
                raise _invalid(text)
        if len(registry) + len(path) > _MAX_NAME:
            raise _invalid(text)
        return cls(registry, path, match["tag"] or "latest", match["digest"])

    @classmethod
    def from_title(cls, title: str) -> Reference:
        """Make a valid local reference from any text, such as a notebook's file name."""
        cleaned = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        return cls("", cleaned[:128].strip("-") or "notebook", "latest")


def _invalid(text: str) -> ContainerizeError:
    return ContainerizeError(
        "invalid-reference",
        what=f"{text!r} is not a valid image name.",
        why=(
            "A name is [registry/]repository[:tag][@digest]; the repository is lower-case letters, "
            "digits and . _ - between them; a tag has at most 128 letters, digits and . _ -."
        ),
        fix=f"Try {_suggested(text)}",
    )


def _suggested(text: str) -> str:
    """Return the nearest valid name: with its registry and tag, if small letters are all it takes."""
    nearest = re.sub(r"[^a-z0-9._/:@-]+", "-", text.lower())
    if _REFERENCE.fullmatch(nearest):
        return nearest
    return str(Reference.from_title(text))
