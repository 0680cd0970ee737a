"""What keeps an object from being served, as an error that people can act on."""

from __future__ import annotations


class CannotServe(Exception):  # noqa: N818 - it reads as what it means
    """An object cannot be saved, loaded or asked; the fields are those of every error of ours."""

    def __init__(self, code: str, *, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(code, what, why, fix)
        self.code = code
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        """Return what, why and fix as lines."""
        return "\n".join(
            line for line in (f"{self.what} [{self.code}]", self.why, self.fix) if line
        )

    def to_json(self) -> dict[str, str]:
        """Return the plain object that crosses a process boundary."""
        return {"code": self.code, "what": self.what, "why": self.why, "fix": self.fix}


def warned(code: str, *, what: str, why: str = "", fix: str = "") -> dict[str, str]:
    """Return a finding of the severity warning, as plain data."""
    return {"code": code, "severity": "warning", "what": what, "why": why, "fix": fix}
