"""Small tables and notes for people: the same content as text, Markdown and HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

_STYLE = """
<style>
.dmengine {font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; max-width: 75rem}
.dmengine h1 {font-size: 1.35em; margin: .4em 0} .dmengine h2 {font-size: 1.05em; margin: 1.4em 0 .4em}
.dmengine table {border-collapse: collapse; margin: .3em 0} .dmengine th {background: #eef2f6; text-align: left}
.dmengine th, .dmengine td {border: 1px solid #ccd4dc; padding: .25em .7em; vertical-align: top}
.dmengine td.n {text-align: right; font-variant-numeric: tabular-nums} .dmengine p.good {color: #14682f}
.dmengine td {overflow-wrap: anywhere; text-align: left} .dmengine p.bad {color: #a11212}
</style>
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A heading with rows under column names; numbers are shown with thousands marks.

    >>> print(Table("Fields", ("field", "seen"), [("email", 1200)]).to_text())
    Fields
      field    seen
      email   1,200
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]
    limit: int = 100

    @property
    def shown(self) -> list[tuple[str, ...]]:
        """The cells as text, at most `limit` rows."""
        return [tuple(_text(cell) for cell in row) for row in self.rows[: self.limit]]

    @property
    def more(self) -> str:
        """What is not shown, said in words."""
        hidden = len(self.rows) - self.limit
        return f"... and {hidden:,} more" if hidden > 0 else ""

    def to_text(self) -> str:
        """Return aligned columns."""
        lines = [self.columns, *self.shown]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        numeric = [all(isinstance(row[i], (int, float)) for row in self.rows) for i in range(len(self.columns))]
        out = [self.title] if self.title else []
        for line in lines:
            cells = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(line, widths, numeric, strict=True)]
            out.append("  " + "  ".join(cells).rstrip())
        return "\n".join(out + ([f"  {self.more}"] if self.more else []))

    def to_markdown(self) -> str:
        """Return a Markdown table."""
        rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in [self.columns, *self.shown]]
        head = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(self.columns)]
        body = ["| " + " | ".join(row) + " |" for row in rows[1:]]
        return "\n".join([f"## {self.title}", "", *head, *body, *(["", self.more] if self.more else [])])

    def to_html(self) -> str:
        """Return an HTML table; every cell is escaped."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(_cell(cell, text) for cell, text in zip(row, texts, strict=True)) + "</tr>"
            for row, texts in zip(self.rows, self.shown, strict=False)
        )
        more = f"<p>{html.escape(self.more)}</p>" if self.more else ""
        return f"<h2>{html.escape(self.title)}</h2><table><tr>{head}</tr>{body}</table>{more}"


@dataclass(frozen=True, slots=True)
class Document:
    """A titled page: a few facts, notes that are good or bad, and tables."""

    title: str
    facts: Sequence[tuple[str, object]]
    tables: Sequence[Table]
    verdict: str = ""
    good: bool = True

    def to_text(self) -> str:
        """Return the page as plain text."""
        width = max((len(name) for name, _ in self.facts), default=0)
        facts = [f"  {name.ljust(width)}  {_text(value)}" for name, value in self.facts]
        parts = ["\n".join([self.title, *facts]), *(t.to_text() for t in self.tables if t.rows), self.verdict]
        return "\n\n".join(part for part in parts if part)

    def to_markdown(self) -> str:
        """Return the page as Markdown."""
        facts = [f"* {name}: {_text(value)}" for name, value in self.facts]
        parts = [f"# {self.title}", "\n".join(facts), *(t.to_markdown() for t in self.tables if t.rows), self.verdict]
        return "\n\n".join(part for part in parts if part) + "\n"

    def to_html(self) -> str:
        """Return the page as an HTML fragment."""
        facts = "".join(f"<tr><th>{html.escape(n)}</th><td>{html.escape(_text(v))}</td></tr>" for n, v in self.facts)
        tables = "".join(t.to_html() for t in self.tables if t.rows)
        kind = "good" if self.good else "bad"
        verdict = f'<p class="{kind}"><b>{html.escape(self.verdict)}</b></p>' if self.verdict else ""
        title = f"<h1>{html.escape(self.title)}</h1>"
        return f'{_STYLE}<div class="dmengine">{title}{verdict}<table>{facts}</table>{tables}</div>'

    def to_page(self) -> str:
        """Return a whole HTML page."""
        head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
        return f"{head}</head><body>{self.to_html()}</body></html>\n"


def _cell(cell: object, text: str) -> str:
    kind = ' class="n"' if isinstance(cell, (int, float)) and not isinstance(cell, bool) else ""
    return f"<td{kind}>{html.escape(text)}</td>"


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def human_bytes(size: float) -> str:
    """Write a size for people.

    >>> human_bytes(1536), human_bytes(12)
    ('1.5 KiB', '12 B')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:,.1f} {unit}" if unit != "B" else f"{size:,.0f} B"
        size /= 1024
    return f"{size:,.1f} TiB"
