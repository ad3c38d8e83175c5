"""Small tables and notes for people: the same content as text, Markdown and HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

_STYLE = """
<style>
.dmengine {font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 80rem; padding: 1em}
.dmengine h1 {font-size: 1.5em; margin: 0 0 .5em} .dmengine h2 {font-size: 1.1em; margin: 1.8em 0 .5em}
.dmengine table {border-collapse: collapse; margin: 0; display: block; overflow-x: auto}
.dmengine th, .dmengine td {border: 0; border-bottom: 1px solid #e3e8ed; padding: .3em 1.2em .3em 0; text-align: left}
.dmengine th {font-weight: 600; color: #55606b; white-space: nowrap; vertical-align: bottom}
.dmengine td {vertical-align: top; white-space: pre-wrap; overflow-wrap: break-word}
.dmengine .n {text-align: right; font-variant-numeric: tabular-nums}
.dmengine p.verdict {border-left: .3em solid; padding: .5em .8em; margin: 0 0 1.2em; font-weight: 600}
.dmengine p.good {color: #14682f; background: #eef8f1} .dmengine p.bad {color: #a11212; background: #fdf0f0}
.dmengine p.fair {color: #7a5300; background: #fff8e6}
.dmengine td.passed {color: #14682f} .dmengine td.warning {color: #7a5300; font-weight: 600}
.dmengine td.unknown {color: #205f86; font-weight: 600} .dmengine td.failed {color: #a11212; font-weight: 600}
.dmengine .code {font: 12px/1.4 ui-monospace, monospace}
</style>
"""
Tone = Literal["good", "fair", "bad"]


@dataclass(frozen=True, slots=True)
class WithCode:
    """A cell of words with lines of code below."""

    words: str
    code: str

    def __str__(self) -> str:
        return f"{self.words}\n{self.code}"


@dataclass(frozen=True, slots=True)
class Table:
    """A heading with rows under column names; numbers are shown with thousands marks.

    The words of the column `status` have their colours in HTML.

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

    @property
    def _numeric(self) -> list[bool]:
        """Which columns hold numbers alone, and are aligned at their right."""
        return [all(_is_number(row[i]) for row in self.rows) for i in range(len(self.columns))]

    def to_text(self) -> str:
        """Return aligned columns."""
        cells = [tuple(cell.split("\n") for cell in line) for line in [self.columns, *self.shown]]
        lines = [line for row in cells for line in zip_longest(*row, fillvalue="")]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        out = [self.title] if self.title else []
        for line in lines:
            aligned = zip(line, widths, self._numeric, strict=True)
            out.append("  " + "  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in aligned).rstrip())
        return "\n".join(out + ([f"  {self.more}"] if self.more else []))

    def to_markdown(self) -> str:
        """Return a Markdown table."""
        rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in [self.columns, *self.shown]]
        head = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(self.columns)]
        body = ["| " + " | ".join(row) + " |" for row in rows[1:]]
        return "\n".join([f"## {self.title}", "", *head, *body, *(["", self.more] if self.more else [])])

    def to_html(self) -> str:
        """Return an HTML table; every cell is escaped."""
        kinds = [' class="n"' if number else "" for number in self._numeric]
        rows = [
            [_cell(name, kind, c) for name, kind, c in zip(self.columns, kinds, row, strict=True)]
            for row in self.rows[: self.limit]
        ]
        head = "".join(f"<th{kind}>{html.escape(name)}</th>" for kind, name in zip(kinds, self.columns, strict=True))
        body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
        more = f"<p>{html.escape(self.more)}</p>" if self.more else ""
        return f"<h2>{html.escape(self.title)}</h2><table><tr>{head}</tr>{body}</table>{more}"


@dataclass(frozen=True, slots=True)
class Document:
    """A titled page: a few facts, a verdict in its tone, and tables."""

    title: str
    facts: Sequence[tuple[str, object]]
    tables: Sequence[Table]
    verdict: str = ""
    tone: Tone = "good"

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
        verdict = f'<p class="verdict {self.tone}">{html.escape(self.verdict)}</p>' if self.verdict else ""
        title = f"<h1>{html.escape(self.title)}</h1>"
        table = f"<table>{facts}</table>" if facts else ""
        return f'{_STYLE}<div class="dmengine">{title}{verdict}{table}{tables}</div>'

    def to_page(self) -> str:
        """Return a whole HTML page."""
        meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        head = f'<!doctype html><html lang="en"><head>{meta}<title>{html.escape(self.title)}</title></head>'
        return f"{head}<body>{self.to_html()}</body></html>\n"


def _cell(column: str, kind: str, cell: object) -> str:
    if column == "status":
        kind = f' class="{html.escape(str(cell))}"'
    if isinstance(cell, WithCode):
        text = f'{html.escape(_text(cell.words))}<div class="code">{html.escape(_text(cell.code))}</div>'
    else:
        text = html.escape(_text(cell))
    return f"<td{kind}>{text}</td>"


def _is_number(cell: object) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    return f"{cell:,}" if isinstance(cell, int) else _printable(str(cell))


def _printable(text: str) -> str:
    """Escape what a terminal would obey, or could not encode: file names may hold anything."""
    if text.isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
