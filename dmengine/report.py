"""What a run did, without a single value."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from dmengine.errors import StoreError
from dmengine.spi import Finding, Outcome, Severity
from dmengine.tables import Document, Table, human_bytes

SUFFIXES: Final = (".html", ".json", ".md", ".txt")
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class FieldReport:
    """Counts of one field over a whole run.

    `unchanged` are masked values that equal their original, `missing` the records that lack a field which is masked.
    `found` has what the mask counted within values: the findings of `scrub`, by kind.
    """

    dataset: str
    field: str
    action: str
    domain: str
    seen: int
    null: int
    masked: int
    unchanged: int
    mismatched: int
    kept: int
    missing: int = 0
    found: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Output:
    """One object that a run wrote."""

    location: str
    action: str
    rows: int
    size_in: int
    size: int
    checksum: str
    seconds: float
    pin: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did: rows, bytes, counts per field, outputs, outcomes and findings.

    `print(report)` for people, `report.to_dict()` or `to_json()` for machines, `to_markdown()` for a ticket,
    `to_html()` for a page, `save("report.html")` for a file; in a notebook it shows itself.
    """

    run_id: str
    status: str
    source: str
    target: str
    ruleset: str
    key: str
    seconds: float
    fields: tuple[FieldReport, ...] = ()
    outputs: tuple[Output, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    leftovers: tuple[str, ...] = ()
    version: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Records written."""
        return sum(output.rows for output in self.outputs)

    @property
    def bytes_in(self) -> int:
        """Bytes of the source objects."""
        return sum(output.size_in for output in self.outputs)

    @property
    def bytes_out(self) -> int:
        """Bytes of the target objects."""
        return sum(output.size for output in self.outputs)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self) | {"rows": self.rows, "bytes_in": self.bytes_in, "bytes_out": self.bytes_out}

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> Report:
        """Read back what `to_dict` wrote."""
        kinds: dict[str, Any] = {"fields": FieldReport, "outputs": Output, "outcomes": Outcome, "findings": Finding}
        known = {k: v for k, v in plain.items() if k in Report.__dataclass_fields__}
        lists = {name: tuple(kind(**one) for one in plain[name]) for name, kind in kinds.items()}
        return Report(**(known | lists | {"leftovers": tuple(plain["leftovers"])}))

    def document(self) -> Document:
        """Return the report as a page."""
        speed = f"{self.rows / self.seconds:,.0f} rows/s" if self.seconds and self.rows else ""
        facts = [
            ("run", self.run_id), ("status", self.status), ("source", self.source), ("target", self.target),
            ("rows", self.rows), ("bytes", f"{human_bytes(self.bytes_in)} in, {human_bytes(self.bytes_out)} out"),
            ("time", f"{self.seconds:,.2f} s" + (f" ({speed})" if speed else "")), ("ruleset", self.ruleset[:16]),
            ("key fingerprint", self.key), ("dmengine", self.version),
        ]  # fmt: skip
        return Document(
            "dmengine report", [*facts, *self.extra.items()],
            [self._field_table(), self._output_table(), outcome_table(self.outcomes), finding_table(self.findings),
             Table("Left behind", ("object",), [(name,) for name in self.leftovers])],
            self._verdict(), "bad" if self.leftovers else "good",
        )  # fmt: skip

    def _verdict(self) -> str:
        if self.leftovers:
            return f"{self.status}, but something is left behind: {len(self.leftovers):,} listed above"
        return f"{self.status}: {len(self.outputs):,} objects, {self.rows:,} records; nothing is left behind"

    def _field_table(self) -> Table:
        columns = ("dataset", "field", "action", "domain", "seen", "null", "masked", "unchanged", "mismatched", "kept",
                   "missing")  # fmt: skip
        rows = [tuple(getattr(f, name) for name in columns) for f in self.fields]
        return Table("Fields", columns, rows)

    def _output_table(self) -> Table:
        rows = [(o.location, o.action, o.rows, human_bytes(o.size), o.checksum[:12], o.seconds) for o in self.outputs]
        return Table("Outputs", ("object", "action", "rows", "size", "sha256", "seconds"), rows, limit=30)

    def to_markdown(self) -> str:
        """Return the report as Markdown."""
        return self.document().to_markdown()

    def to_html(self) -> str:
        """Return the report as a whole HTML page."""
        return self.document().to_page()

    def save(self, path: str | Path) -> None:
        """Write the report to a file, in the form that its name asks for: .html, .json, .md or .txt.

        Raises:
            StoreError: the file cannot be written.
        """
        save(self, path)

    def __str__(self) -> str:
        return self.document().to_text()

    def _repr_html_(self) -> str:
        return self.document().to_html()


class Shown(Protocol):
    """What can be shown in every form: a report, a plan."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        ...

    def document(self) -> Document:
        """Return the page."""
        ...


def save(shown: Shown, path: str | Path) -> None:
    """Write what can be shown to a file, in the form that its name asks for."""
    problem = unwritable(path)
    try:
        if not problem:
            Path(path).write_text(_in_form(shown, Path(path).suffix), encoding="utf-8")
    except OSError as error:
        problem = error.strerror or "refused"
    if problem:
        raise StoreError(f"{path} cannot be written: {problem}", hint="choose another name")


def _in_form(shown: Shown, suffix: str) -> str:
    if suffix == ".json":
        return json.dumps(shown.to_dict(), indent=2) + "\n"
    page = shown.document()
    return {".html": page.to_page, ".md": page.to_markdown}.get(suffix, lambda: page.to_text() + "\n")()


def unwritable(path: str | Path) -> str:
    """Say why a report cannot be written there, as far as is known beforehand; nothing if it can.

    >>> unwritable("report.pdf")
    'its name ends in none of .html, .json, .md, .txt'
    """
    if Path(path).suffix not in SUFFIXES:
        return f"its name ends in none of {', '.join(SUFFIXES)}"
    return "" if Path(path).parent.is_dir() else "there is no such folder"


def gathered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Say once what is the same of many parts, and name the first of them.

    >>> [finding.where for finding in gathered(Finding("info", "no header", where=f"{n}.csv") for n in range(9))]
    ['0.csv, 1.csv, 2.csv and 6 more']
    """
    places: dict[tuple[Severity, str, str], list[str]] = {}
    for finding in findings:
        places.setdefault((finding.severity, finding.message, finding.hint), []).append(finding.where)
    return tuple(
        Finding(severity, message, ", ".join(where[:_NAMED]) + (f" and {more:,} more" if more > 0 else ""), hint)
        for (severity, message, hint), where in places.items()
        for more in [len(where) - _NAMED]
    )


def found_findings(fields: Iterable[FieldReport]) -> tuple[Finding, ...]:
    """Say what masks found within values, field by field.

    >>> report = FieldReport("*", "note", "scrub", "", 9, 0, 9, 2, 0, 0, found={"phone": 1200, "email": 3})
    >>> [f"{finding.where}: {finding.message}" for finding in found_findings([report])]
    ['note: scrub found: email 3, phone 1,200']
    """
    told = ((f, ", ".join(f"{what} {count:,}" for what, count in sorted(f.found.items()))) for f in fields)
    return tuple(Finding("info", f"{f.action} found: {counts}", f.field) for f, counts in told if counts)


def finding_table(findings: Sequence[Finding]) -> Table:
    """Return findings as a table, the gravest first."""
    order = ("error", "warning", "info")
    rows = [(f.severity, f.message, f.where, f.hint) for f in sorted(findings, key=lambda f: order.index(f.severity))]
    return Table("Findings", ("severity", "finding", "where", "what to do"), rows)


def outcome_table(outcomes: Sequence[Outcome]) -> Table:
    """Return what was not masked as a table."""
    return Table("Not masked", ("object", "outcome", "why"), [(o.name, o.outcome, o.why) for o in outcomes])
