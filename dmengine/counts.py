"""What was seen and done, field by field, without a single value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class FieldCounts:
    """Counts of one field: `seen` = `null` + `masked` + `kept` + `mismatched`; `unchanged` is part of `masked`.

    `found` has what a mask counted in the values, such as how many telephone numbers were in texts.
    """

    seen: int = 0
    null: int = 0
    masked: int = 0
    unchanged: int = 0
    mismatched: int = 0
    kept: int = 0
    found: dict[str, int] = field(default_factory=dict)

    def add(self, other: FieldCounts) -> None:
        """Add the counts of another batch."""
        for name in ("seen", "null", "masked", "unchanged", "mismatched", "kept"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.add_found(other.found)

    def add_found(self, found: Mapping[str, int]) -> None:
        """Add what a mask counted in some values."""
        for what, count in found.items():
            self.found[what] = self.found.get(what, 0) + count


@dataclass(slots=True)
class Counts:
    """Counts of one part: rows, fields by path, and which rules found something."""

    rows: int = 0
    fields: dict[str, FieldCounts] = field(default_factory=dict)
    actions: dict[str, tuple[str, str]] = field(default_factory=dict)
    matched: set[str] = field(default_factory=set)

    def of(self, path: str, action: str, domain: str) -> FieldCounts:
        """Return the counter of a field, made on first sight."""
        self.actions[path] = (action, domain)
        return self.fields.setdefault(path, FieldCounts())

    def add(self, others: Iterable[Counts]) -> Counts:
        """Add the counts of other batches or parts."""
        for other in others:
            self.rows += other.rows
            self.matched |= other.matched
            self.actions.update(other.actions)
            for path, counts in other.fields.items():
                self.fields.setdefault(path, FieldCounts()).add(counts)
        return self

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {
            "rows": self.rows,
            "matched": sorted(self.matched),
            "fields": {path: asdict(counts) for path, counts in self.fields.items()},
            "actions": {path: list(action) for path, action in self.actions.items()},
        }

    @staticmethod
    def from_dict(plain: dict[str, object]) -> Counts:
        """Read back what `to_dict` wrote."""
        fields, actions = plain["fields"], plain["actions"]
        assert isinstance(fields, dict)
        assert isinstance(actions, dict)
        return Counts(
            int(str(plain["rows"])),
            {path: FieldCounts(**counts) for path, counts in fields.items()},
            {path: (action[0], action[1]) for path, action in actions.items()},
            set(plain["matched"]),  # type: ignore[call-overload]
        )
