"""Problems found in something a person wrote, told all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dmengine.errors import RulesetError

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, at one place of a document; never a value.

    Attributes:
        where: The keys and list positions that lead there.
        message: What is wrong.
        hint: How to fix it.
        on_key: Whether the last key itself is wrong, rather than what it holds.
    """

    where: Where
    message: str
    hint: str = ""
    on_key: bool = False


def as_error(problems: Sequence[Problem], subject: str, locate: Callable[[Problem], str]) -> RulesetError:
    """Make one error of all problems, each with its place.

    >>> problems = [Problem(("rules", 0), "a", "b"), Problem(("rules", 2), "c")]
    >>> print(as_error(problems, "the ruleset", lambda problem: f"rule {problem.where[1]}"))
    2 problems in the ruleset:
      rule 0: a; b
      rule 2: c
    """
    if len(problems) == 1:
        (only,) = problems
        return RulesetError(f"{locate(only)}: {only.message}", hint=only.hint)
    lines = [f"  {locate(p)}: {p.message}" + (f"; {p.hint}" if p.hint else "") for p in problems]
    return RulesetError("\n".join([f"{len(problems)} problems in {subject}:", *dict.fromkeys(lines)]))
