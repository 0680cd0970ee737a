"""Errors as people read them: a code, what happened, why, and what to do.

Every failure that a user can meet is a `ContainerizeError`. The magic, the command line
and the panel render the same object. Codes are stable kebab-case words, listed in
`docs/errors.md`.
"""

from __future__ import annotations

from typing import Any


class ContainerizeError(Exception):
    """A failure with a stable `code`, `what` happened, `why`, and the `fix`.

    `also` carries further, independent problems found at the same time, so that a user
    mends them in one go. No message may hold a secret.
    """

    def __init__(
        self,
        code: str,
        *,
        what: str,
        why: str = "",
        fix: str = "",
        also: tuple[ContainerizeError, ...] = (),
    ) -> None:
        super().__init__(code, what, why, fix)
        self.code = code
        self.what = what
        self.why = why
        self.fix = fix
        self.also = also

    def __str__(self) -> str:
        """Return what, why and fix as plain lines; further problems follow."""
        lines = [f"{self.what} [{self.code}]"]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        lines.extend(str(problem) for problem in self.also)
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the plain JSON object that every surface renders."""
        return {
            "code": self.code,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
            "also": [problem.to_json() for problem in self.also],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ContainerizeError:
        """Rebuild an error that crossed a process boundary."""
        return cls(
            data["code"],
            what=data["what"],
            why=data.get("why", ""),
            fix=data.get("fix", ""),
            also=tuple(cls.from_json(problem) for problem in data.get("also", ())),
        )

    @classmethod
    def together(cls, problems: list[ContainerizeError]) -> ContainerizeError:
        """Join independent problems (at least one) into one error: the first leads."""
        first, *rest = problems
        return cls(
            first.code, what=first.what, why=first.why, fix=first.fix, also=(*first.also, *rest)
        )


def interrupted(command: str) -> ContainerizeError:
    """Return the error of a command that the user stopped."""
    return ContainerizeError(
        "interrupted",
        what=f"`{command}` was interrupted; nothing half-made is left.",
        fix="Start it again: what was finished before is reused.",
    )


def needs_extra(extra: str, module: str, *, doing: str) -> ContainerizeError:
    """Return the error for a `module` that only the extra `extra` of this package brings."""
    return ContainerizeError(
        "extra-missing",
        what=f"{doing} needs the package {module}, which is not installed.",
        why=f"It comes with the extra `{extra}`: a kernel's environment stays light without it.",
        fix=f"pip install 'jupyter-containerize[{extra}]'",
    )
