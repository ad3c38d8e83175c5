"""What comes of looking at a job before it runs: a table for people, data for machines, findings for a plan."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from dmengine.errors import DmengineError
from dmengine.report import save
from dmengine.spi import Check, Checked, CheckStatus, Finding, Severity, Side
from dmengine.tables import Document, Table, Tone, WithCode

_ORDER: Final[tuple[CheckStatus, ...]] = ("passed", "unknown", "warning", "failed")
_COLOURS: Final[Mapping[str, str]] = {"passed": "32", "unknown": "36", "warning": "33", "failed": "1;31"}
_TONES: Final[Mapping[CheckStatus, Tone]] = {"passed": "good", "unknown": "fair", "warning": "fair", "failed": "bad"}
_STATUS: Final = re.compile(r"^(  )(passed|unknown|warning|failed)(?=  )", re.MULTILINE)
_NARROWEST, _WIDEST, _BESIDE = 60, 160, 24


@runtime_checkable
class CheckedBeside(Protocol):
    """A target that can say how it lies to its source."""

    def check_beside(self, source: object) -> Iterable[Check]:
        """Say whether it is apart from the source, the source itself, or in its way."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What came of looking at one side of a job."""

    side: Side
    check: Check


@dataclass(frozen=True, slots=True)
class Checks:
    """What `dmengine.check` returns: `print` shows it, in a notebook it is a page, and `to_dict` has the data.

    >>> fine = Found("source", Check("bucket.list", "passed", "s3://b/", "3 objects below s3://b/in/", "ListObjectsV2"))
    >>> Checks((fine,)).ok, Checks((fine,)).status, Checks((fine,)).exit_code
    (True, 'passed', 0)
    """

    found: tuple[Found, ...]
    strict: bool = False

    @property
    def status(self) -> CheckStatus:
        """The gravest that there is: failed, then warning, then unknown."""
        return max((one.check.status for one in self.found), key=_ORDER.index, default="passed")

    @property
    def ok(self) -> bool:
        """Whether nothing would stop a run; strictly, whether all is well."""
        return self.status == "passed" if self.strict else self.status != "failed"

    @property
    def exit_code(self) -> int:
        """0: all is well; 1: something to know, or not known; 2: something that stops a run."""
        return {"passed": 0, "failed": 2}.get(self.status, 2 if self.strict else 1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        checks = [{"side": one.side, **asdict(one.check)} for one in self.found]
        return {"ok": self.ok, "status": self.status, "strict": self.strict, "checks": checks}

    def document(self, width: int = 0) -> Document:
        """Return the page.

        Args:
            width: How many characters a line has; 0: as many as it takes.
        """
        rows = [
            (one.check.status, one.side, one.check.name, self._of_which(one, one.check.answer) + one.check.answer)
            for one in self.found
        ]
        wide = max((len(side) + len(name) for _, side, name, _ in rows), default=0) + 17
        checks = Table(
            "Checks", ("status", "side", "check", "answer"),
            [(*row, _wrapped(answer, width - wide if width else 0)) for *row, answer in rows],
            len(rows),
        )  # fmt: skip
        todo = [
            (
                one.side,
                one.check.name,
                _what_to_do(one.check, self._of_which(one, one.check.remedy), width - wide + 9 if width else 0),
            )
            for one in self._bad
        ]
        return Document(
            "dmengine check", (), [checks, Table("What to do", ("side", "check", "what to do"), todo, len(todo))],
            self._verdict, _TONES[self.status],
        )  # fmt: skip

    def _of_which(self, one: Found, told: str) -> str:
        """Return which of several a check is of, where what is told does not say so."""
        check = one.check
        alike = {
            other.check.subject for other in self.found if (other.side, other.check.name) == (one.side, check.name)
        }
        return f"{where}: " if len(alike) > 1 and (where := _where(check, told)) else ""

    @property
    def _bad(self) -> list[Found]:
        """What is not well, the gravest first."""
        bad = [one for one in self.found if one.check.status != "passed"]
        return sorted(bad, key=lambda one: -_ORDER.index(one.check.status))

    @property
    def _verdict(self) -> str:
        count = {status: sum(one.check.status == status for one in self.found) for status in _ORDER}
        if self.status == "passed":
            return f"all is well: {count['passed']} check{'s' * (count['passed'] != 1)} passed"
        words: dict[CheckStatus, str] = {
            "failed": "failed", "warning": f"warning{'s' * (count['warning'] != 1)}", "unknown": "unknown",
        }  # fmt: skip
        told = ", ".join(f"{count[status]} {word}" for status, word in words.items() if count[status])
        return f"nothing stops a run: {told}" if self.ok else f"a run would be stopped: {told}"

    def to_text(self, *, width: int = 120, colour: bool = False) -> str:
        """Return a table for a terminal."""
        text = self.document(min(max(width, _NARROWEST), _WIDEST)).to_text()
        if not colour:
            return text
        head, _, last = text.rpartition("\n")
        table, heading, rest = head.partition("\n\nWhat to do\n")
        painted = _STATUS.sub(lambda found: found[1] + _painted(found[2], found[2]), table)
        return f"{painted}{heading}{rest}\n{_painted(last, self.status)}"

    def to_markdown(self) -> str:
        """Return it as Markdown."""
        return self.document().to_markdown()

    def to_html(self) -> str:
        """Return it as a whole HTML page."""
        return self.document().to_page()

    def save(self, path: str | Path) -> None:
        """Write it to a file, in the form that its name asks for: .html, .json, .md or .txt.

        Raises:
            StoreError: the file cannot be written.
        """
        save(self, path)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.document().to_html()


def look(places: Sequence[tuple[Side, object]], *, probe: bool, strict: bool = False) -> Checks:
    """Look at the sides of a job, all at the same time, and at how they lie to each other.

    Args:
        places: What is used as what.
        probe: Whether something may be written to prove the rights to write; it is removed again.
        strict: Whether warnings and unknowns are as bad as failures.
    """
    sides = dict(places)
    source, target = sides.get("source"), sides.get("target")
    with ThreadPoolExecutor(len(places) + 1, thread_name_prefix="dmengine-check") as pool:
        beside = pool.submit(_beside, source, target)
        looks = list(pool.map(lambda place: _looked_at(*place, probe=probe), places))
    found = [Found(side, check) for (side, _), checks in zip(places, looks, strict=True) for check in checks]
    return Checks((*found, *(Found("target", check) for check in beside.result())), strict)


def dangers(source: object, target: object, *, strict: bool = False) -> tuple[Finding, ...]:
    """Look, before a run, at what could be dangerous: what failed stops it, and strictly also what is not well.

    What was not tried (an "unknown" without a call) is no finding.
    """
    found: list[Finding] = []
    sides: tuple[tuple[Side, object], ...] = (("source", source), ("target", target))
    for side, place in sides:
        for check in place.check(side, brief=True) if isinstance(place, Checked) else ():
            if check.status != "passed" and (check.call or check.status != "unknown"):
                severity: Severity = "error" if strict or check.status == "failed" else "warning"
                found.append(Finding(severity, check.answer, _where(check, check.answer), check.remedy))
    return tuple(found)


def _where(check: Check, told: str) -> str:
    """Return what was looked at, unless what is told says so itself."""
    return "" if check.subject.strip("/").rpartition("/")[2] in told else check.subject


def _looked_at(side: Side, place: object, *, probe: bool) -> list[Check]:
    where = str(getattr(place, "location", type(place).__name__))
    if not isinstance(place, Checked):
        told = f"not tried: {type(place).__name__} cannot be looked at"
        return [Check("place.check", "unknown", where, told, remedy="`plan` says what a run would come upon")]
    try:
        return list(place.check(side, probe=probe))
    except DmengineError as error:
        return [Check("place.check", "failed", where, error.message, remedy=error.hint)]


def _beside(source: object, target: object) -> list[Check]:
    """Return how two places of one kind lie to each other; how others do shows in the plan."""
    if not isinstance(target, CheckedBeside) or type(source) is not type(target):
        return []
    return list(target.check_beside(source))


def _what_to_do(check: Check, of_which: str, width: int) -> str | WithCode:
    words = _wrapped(of_which + check.remedy, width)
    return words if check.policy is None else WithCode(words, json.dumps(check.policy, indent=2))


def _wrapped(text: str, width: int) -> str:
    if not width:
        return text
    lines = (textwrap.wrap(line, max(width, _BESIDE), break_on_hyphens=False) or [""] for line in text.split("\n"))
    return "\n".join(part for line in lines for part in line)


def _painted(text: str, status: str) -> str:
    return f"\x1b[{_COLOURS[status]}m{text}\x1b[0m"
