"""A plain Python function as a mask: it runs once per distinct value."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from inspect import Parameter, isfunction, signature
from typing import Any, ClassVar, Final, TypeVar, get_type_hints, overload

import pyarrow as pa

from dmengine.arrow import NumberType, is_text
from dmengine.errors import MaskError, PlanError, RulesetError
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness

Value = str | int | float | bool | Decimal | date | datetime | bytes
V = TypeVar("V", bound=Value)
Function = Callable[[V], V]

_TAKES: Final[dict[type, tuple[str, Callable[[pa.DataType], bool]]]] = {
    str: ("text", is_text),
    int: ("integers", lambda kind: bool(pa.types.is_integer(kind))),
    float: ("floats", lambda kind: bool(pa.types.is_float32(kind) or pa.types.is_float64(kind))),
    bool: ("booleans", lambda kind: bool(pa.types.is_boolean(kind))),
    Decimal: ("decimals", lambda kind: bool(pa.types.is_decimal(kind) or isinstance(kind, NumberType))),
    date: ("dates", lambda kind: bool(pa.types.is_date32(kind))),
    datetime: ("timestamps", lambda kind: bool(pa.types.is_timestamp(kind) and kind.unit != "ns")),
    bytes: ("binary", lambda kind: bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))),
}


@dataclass(frozen=True, slots=True)
class FunctionMasker:
    """A mask made of a function of one value; made by `masker`."""

    function: Callable[[Any], Any]
    name: str
    version: int = 1
    uniqueness: Uniqueness = "unknown"
    consistent: ClassVar[bool] = True
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"
    keyed: ClassVar[bool] = False

    def __call__(self, value: Any) -> Any:
        """Call the function itself, as in its own tests."""
        return self.function(value)

    @property
    def takes(self) -> type:
        """The Python type of the values, by the function's annotations; text without any."""
        return _value_type(self.function)

    @property
    def picklable(self) -> bool:
        """Whether other processes can find the function by its name; lambdas and local functions they cannot."""
        module = sys.modules.get(self.function.__module__)
        if module is None or (module.__name__ == "__main__" and not hasattr(module, "__file__")):
            return False  # a notebook or prompt
        try:
            return _plain(_find(self.function.__module__, self.function.__qualname__)) is self.function
        except AttributeError:
            return False

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Take the annotated type only; the same type comes out."""
        words, takes = _TAKES[self.takes]
        if not takes(field.type):
            raise PlanError(
                f"the mask function {self.name} takes {words}, and {field.name} is {field.type}",
                hint="annotate the function's parameter and result for this type, or choose another mask",
            )
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Call the function on each value."""
        kind = values.type
        is_number = isinstance(kind, NumberType)
        given = [Decimal(text) for text in values.storage.to_pylist()] if is_number else values.to_pylist()
        results, raised = self._call(given)
        if raised:
            counts = ", ".join(f"{error} on {count} of {len(given)} values" for error, count in raised.items())
            raise MaskError(
                f"the mask function {self.name} raised {counts}", hint="make it take every value of its type"
            )
        self._refuse_strangers(results)
        masked = _number_text(results) if is_number else _array(results, kind)
        if masked is None:
            raise MaskError(
                f"the mask function {self.name} returned a value that does not fit into {kind}",
                hint="keep its results within the type of the field",
            )
        return pa.ExtensionArray.from_storage(kind, masked) if is_number else masked

    def _call(self, given: list[Any]) -> tuple[list[Any], Counter[str]]:
        results: list[Any] = []
        raised: Counter[str] = Counter()
        for value in given:
            try:
                results.append(self.function(value))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's function; only the class is told
                raised[type(error).__name__] += 1
        return results, raised

    def _refuse_strangers(self, results: list[Any]) -> None:
        wanted = self.takes
        strangers = {type(result) for result in results} - {wanted}
        for kind in strangers:
            confused = wanted in (int, date) and issubclass(kind, (bool, datetime))  # subclasses of the wanted type
            if confused or not issubclass(kind, wanted):
                raise MaskError(
                    f"the mask function {self.name} returned {kind.__name__} where {wanted.__name__} was due",
                    hint=f"return a {wanted.__name__} for every value",
                )

    def __reduce__(self) -> tuple[Any, ...]:
        where = (self.function.__module__, self.function.__qualname__)
        return _restore, (*where, self.name, self.version, self.uniqueness)


def _array(results: list[Any], kind: pa.DataType) -> pa.Array | None:
    """Return the results as Arrow, or None where they do not fit: pyarrow's own message would show them."""
    try:
        return pa.array(results, kind)
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        return None


def _number_text(results: list[Decimal]) -> pa.Array | None:
    """Return numbers of a document; NaN and infinities are none."""
    return _array([str(result) for result in results], pa.string()) if all(r.is_finite() for r in results) else None


def _restore(module: str, qualname: str, name: str, version: int, uniqueness: Uniqueness) -> FunctionMasker:
    return FunctionMasker(_plain(_find(module, qualname)), name, version, uniqueness)


def _find(module: str, qualname: str) -> Any:
    __import__(module)
    return reduce(getattr, qualname.split("."), sys.modules[module])


def _plain(found: Any) -> Any:
    return found.function if isinstance(found, FunctionMasker) else found  # the decorator took the function's name


@overload
def masker(function: Function[V], /) -> FunctionMasker: ...
@overload
def masker(
    *, name: str | None = None, version: int = 1, uniqueness: Uniqueness = "unknown"
) -> Callable[[Function[V]], FunctionMasker]: ...
def masker(
    function: Callable[[Any], Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: int = 1,
    uniqueness: Uniqueness = "unknown",
) -> FunctionMasker | Callable[[Callable[[Any], Any]], FunctionMasker]:
    """Make a mask of a function of one value.

    >>> @masker(version=2)
    ... def initials(name: str) -> str:
    ...     return "".join(word[0] + "." for word in name.split())
    >>> initials
    FunctionMasker(function=<function initials at ...>, name='initials', version=2, uniqueness='unknown')
    >>> initials("Ada Lovelace")
    'A.L.'

    The function must depend on its value alone: it runs once per distinct value, in any process, with no key. It
    must give a result of the type it takes: text, or what its annotations say (int, float, bool, Decimal, date,
    datetime, bytes). A function at the top of a module also runs in worker processes; a lambda runs in threads.

    Args:
        function: The function, where the decorator is written without parentheses.
        name: What reports call the mask; the function's own name if not given.
        version: Part of the ruleset's fingerprint; raise it when the function's results change.
        uniqueness: Declare "injective" if different values always get different results.
    """

    def decorate(plain: Callable[[Any], Any]) -> FunctionMasker:
        _value_type(plain)
        return FunctionMasker(plain, name or plain.__name__, version, uniqueness)

    return decorate if function is None else decorate(function)


def _value_type(function: Callable[[Any], Any]) -> type:
    if not isfunction(function):
        raise RulesetError(f"a {type(function).__name__} is not a function", hint="def my_mask(value: str) -> str")
    name = function.__name__
    parameters = list(signature(function).parameters.values())
    needed = [p for p in parameters if p.default is Parameter.empty and p.kind is not Parameter.VAR_POSITIONAL]
    if not parameters or len(needed) > 1:
        raise RulesetError(f"the mask function {name} must take one value", hint="def my_mask(value: str) -> str")
    try:
        hints = get_type_hints(function)
    except (NameError, TypeError):
        hints = {}
    takes = hints.get(parameters[0].name, str)
    gives = hints.get("return", takes)
    if takes not in _TAKES or gives is not takes:
        known = ", ".join(kind.__name__ for kind in _TAKES)
        raise RulesetError(
            f"the mask function {name} must return the type that it takes, one of {known}",
            hint="def my_mask(value: str) -> str",
        )
    return takes if isinstance(takes, type) else str
