"""The conditions of IAM's policies: whether a request meets them, or cannot be known to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Final

Context = Mapping[str, str | Sequence[str] | None]
"""What is known of a request: condition key -> value or values; None is "there, but not known"."""

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")


def conditions_met(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool | None:
    """Say whether a request meets every condition of a statement; None where that cannot be known.

    Operators that are not known here, values that cannot be read and keys that the context has as None are not known;
    they are never taken to be met.

    >>> tls_only = {"Bool": {"aws:SecureTransport": "false"}}
    >>> conditions_met(tls_only, {"aws:SecureTransport": "true"}), conditions_met(tls_only, {})
    (False, False)
    >>> conditions_met({"StringSounds": {"aws:PrincipalArn": "x"}}, {"aws:PrincipalArn": "x"}) is None
    True
    """
    known = {key.lower(): value for key, value in context.items()}
    found = [
        _met(operator, key, _texts(values), known)
        for operator, keys in condition.items()
        for key, values in keys.items()
    ]
    return False if False in found else None if None in found else True


def matches(pattern: str, text: str) -> bool:
    """Say whether a text matches a pattern of IAM: `*` is any number of characters, `?` is one, the rest is itself.

    >>> matches("arn:aws:s3:::in-*/a?", "arn:aws:s3:::in-1/x/ab"), matches("s3:Get*", "s3:PutObject")
    (True, False)
    """
    return _pattern(pattern).fullmatch(text) is not None


def filled(pattern: str, context: Context) -> str | None:
    """Put what is known of a request in the place of a policy's variables; None where one has no single value.

    >>> filled("arn:aws:s3:::b/${aws:PrincipalTag/team}/*", {"aws:PrincipalTag/team": "crm"})
    'arn:aws:s3:::b/crm/*'
    """
    known = {key.lower(): value for key, value in context.items()}
    return _filled(pattern, known)


def _filled(pattern: str, known: Context) -> str | None:
    if "${" not in pattern:
        return pattern
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name, _, default = (part.strip() for part in match[1].partition(","))
        if name in ("*", "?", "$"):
            return _LITERALS[name]
        found = known.get(name.lower())
        if isinstance(found, str):
            return "".join(_LITERALS.get(character, character) for character in found)
        missing = missing or not default
        return default.strip("'")

    written = _VARIABLE.sub(value, pattern)
    return None if missing else written


# A `*` that a variable stands for is a star and no wildcard; private characters keep them apart until they are matched.
_LITERALS: Final = {"*": "\ue000", "?": "\ue001", "$": "$"}
_RAW: Final = {"\ue000": r"\*", "\ue001": r"\?", "?": "."}


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    first, *others = ("".join(_RAW.get(one) or re.escape(one) for one in part) for part in pattern.split("*"))
    # Each part goes to its first place, and no other one is tried: a pattern of many stars takes no longer.
    middle = "".join(f"(?>.*?{part})" for part in others[:-1])
    return re.compile(first + middle + "".join(f".*{part}" for part in others[-1:]), re.DOTALL)


def _texts(values: Any) -> list[str]:
    listed = values if isinstance(values, (list, tuple)) else [values]
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in listed]


def _met(operator: str, key: str, wanted: list[str], known: Context) -> bool | None:
    for_any, for_all = operator.startswith("ForAnyValue:"), operator.startswith("ForAllValues:")
    name = operator.partition(":")[2] if for_any or for_all else operator
    if_exists, name = name.endswith("IfExists"), name.removesuffix("IfExists")
    there = key.lower() in known
    given = known.get(key.lower())
    if there and given is None:
        return None
    values = [given] if isinstance(given, str) else list(given or ())
    if name == "Null":
        found: set[bool | None] = {_null(one, bool(values)) for one in wanted}
        return True if True in found else None if None in found else False
    negated, compare = _OPERATORS.get(name, (False, None))
    if compare is None:
        return None
    if not values:
        return for_all or if_exists or (negated and not for_any)
    texts = [_filled(one, known) for one in wanted]
    # A variable without a value matches nothing.
    each = [_single(compare, negated, value, [text for text in texts if text is not None]) for value in values]
    if for_all:
        return _all(each)
    # AWS leaves open what a plain operator does with several values; one that is refused is then enough to refuse.
    return _any(each) if for_any or not negated else _all(each)


def _null(wanted: str, there: bool) -> bool | None:
    return {"true": not there, "false": there}.get(wanted.lower())


def _single(
    compare: Callable[[str, str], bool], negated: bool, value: str, wanted: Iterable[str]
) -> bool | None:  # fmt: skip
    found: bool | None = False
    for one in wanted:
        try:
            if compare(value, one):
                return not negated
        except (ValueError, InvalidOperation):
            found = None
    return None if found is None else negated


def _all(each: Sequence[bool | None]) -> bool | None:
    return False if False in each else None if None in each else True


def _any(each: Sequence[bool | None]) -> bool | None:
    return True if True in each else None if None in each else False


# ------------------------------------------------------------------------------------------ operators


def _plain(text: str) -> str:
    return text.replace("\ue000", "*").replace("\ue001", "?")


def _equal(value: str, wanted: str) -> bool:
    return value == _plain(wanted)


def _equal_folded(value: str, wanted: str) -> bool:
    return value.casefold() == _plain(wanted).casefold()


def _like(value: str, wanted: str) -> bool:
    return matches(wanted, value)


def _arn_like(value: str, wanted: str) -> bool:
    """Compare ARNs part by part: a `*` does not reach over a colon, but for the last part."""
    ours, theirs = value.split(":", 5), wanted.split(":", 5)
    if len(theirs) != 6:
        raise ValueError  # what AWS makes of a pattern that is no ARN is not documented
    return len(ours) == 6 and all(map(matches, theirs, ours))


def _bool(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


def _number(compare: Callable[[Any, Any], bool]) -> Callable[[str, str], bool]:
    return lambda value, wanted: compare(Decimal(value), Decimal(wanted))


def _date(compare: Callable[[Any, Any], bool]) -> Callable[[str, str], bool]:
    return lambda value, wanted: compare(_moment(value), _moment(wanted))


def _moment(text: str) -> datetime:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _address(value: str, wanted: str) -> bool:
    return ip_address(value) in ip_network(wanted, strict=False)


_ORDERS: Final[Mapping[str, tuple[bool, Callable[[Any, Any], bool]]]] = {
    "Equals": (False, lambda a, b: bool(a == b)),
    "NotEquals": (True, lambda a, b: bool(a == b)),
    "LessThan": (False, lambda a, b: bool(a < b)),
    "LessThanEquals": (False, lambda a, b: bool(a <= b)),
    "GreaterThan": (False, lambda a, b: bool(a > b)),
    "GreaterThanEquals": (False, lambda a, b: bool(a >= b)),
}

_OPERATORS: Final[Mapping[str, tuple[bool, Callable[[str, str], bool] | None]]] = {
    "StringEquals": (False, _equal),
    "StringNotEquals": (True, _equal),
    "StringEqualsIgnoreCase": (False, _equal_folded),
    "StringNotEqualsIgnoreCase": (True, _equal_folded),
    "StringLike": (False, _like),
    "StringNotLike": (True, _like),
    # ArnEquals and ArnLike behave alike: https://docs.aws.amazon.com/IAM/latest/UserGuide/
    "ArnEquals": (False, _arn_like),
    "ArnLike": (False, _arn_like),
    "ArnNotEquals": (True, _arn_like),
    "ArnNotLike": (True, _arn_like),
    "Bool": (False, _bool),
    "BinaryEquals": (False, _equal),
    "IpAddress": (False, _address),
    "NotIpAddress": (True, _address),
    **{f"Numeric{name}": (negated, _number(compare)) for name, (negated, compare) in _ORDERS.items()},
    **{f"Date{name}": (negated, _date(compare)) for name, (negated, compare) in _ORDERS.items()},
}
