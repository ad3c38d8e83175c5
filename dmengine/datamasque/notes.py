"""What an import from DataMasque could not carry over, or carries with a difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Effect = Literal["left out", "redacted", "differs"]


@dataclass(frozen=True, slots=True)
class NotCarried:
    """One thing of a DataMasque ruleset that is not, or not exactly, in the imported one.

    Attributes:
        line: Of the YAML, from 1.
        what: The thing, by its names in the YAML.
        effect: `left out`; `redacted`, where a field gets `redact` in place of its mask; or `differs`.
        why: In a sentence.
    """

    line: int
    what: str
    effect: Effect
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}: {self.effect}: {self.why}"


@dataclass(slots=True)
class Notes:
    """Collects what could not be carried, each thing once."""

    found: dict[NotCarried, None] = field(default_factory=dict)

    def add(self, place: Any, what: str, effect: Effect, why: str) -> None:
        """Note something at the line of a part of the YAML."""
        self.found[NotCarried(getattr(place, "line", 0), what, effect, why)] = None

    def sorted(self) -> tuple[NotCarried, ...]:
        """Return everything, in the order of the lines."""
        return tuple(sorted(self.found, key=lambda note: note.line))
