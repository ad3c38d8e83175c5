"""A plan as people read it: text, Markdown, HTML."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dmengine.planning import Plan, PlannedField
from dmengine.report import finding_table, outcome_table, save
from dmengine.spi import Outcome
from dmengine.tables import Document, Table, human_bytes


@dataclass(frozen=True, slots=True)
class PlanView:
    """What `dmengine.plan` returns: the plan, and how it looks in a terminal, a notebook or a ticket.

    `print(view)` shows it; `view.plan` has the data, `view.ok` says whether a run would start.
    """

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing in the plan stops a run."""
        return not self.plan.errors

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self.plan) | {"outcomes": [asdict(o) for o in self.outcomes], "ok": self.ok}

    def document(self) -> Document:
        """Return the plan as a page."""
        plan = self.plan
        masked = [
            (f.dataset, f.field, _types(f), f.mask, f.domain, f.consistent, f.uniqueness, f.reversible, f.because)
            for f in plan.fields
            if f.action == "mask"
        ]
        kept = [(f.dataset, f.field, f.type_in, f.action, f.because) for f in plan.fields if f.action != "mask"]
        facts = [
            ("source", plan.source), ("target", plan.target), ("objects", plan.parts),
            ("bytes", human_bytes(plan.size)), ("ruleset", plan.ruleset[:16]), ("key fingerprint", plan.key),
        ]  # fmt: skip
        columns = ("dataset", "field", "type", "mask", "domain", "consistent", "uniqueness", "reversible", "note")
        tables = [
            Table("Masked", columns, masked),
            Table("Not masked, by decision", ("dataset", "field", "type", "action", "because"), kept),
            finding_table(plan.findings),
            outcome_table(self.outcomes),
        ]
        count = len(plan.errors)
        verdict = "nothing stops this run" if self.ok else f"{count} finding{'s' * (count > 1)} would stop this run"
        return Document("dmengine plan", facts, tables, verdict, "good" if self.ok else "bad")

    def to_markdown(self) -> str:
        """Return the plan as Markdown."""
        return self.document().to_markdown()

    def to_html(self) -> str:
        """Return the plan as a whole HTML page."""
        return self.document().to_page()

    def save(self, path: str | Path) -> None:
        """Write the plan to a file, in the form that its name asks for: .html, .json, .md or .txt.

        Raises:
            StoreError: the file cannot be written.
        """
        save(self, path)

    def __str__(self) -> str:
        return self.document().to_text()

    def _repr_html_(self) -> str:
        return self.document().to_html()


def _types(field: PlannedField) -> str:
    return field.type_in if field.type_in == field.type_out else f"{field.type_in} -> {field.type_out}"
