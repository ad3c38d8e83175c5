"""Functions as masks: what they take, and that they never tell a value."""

from __future__ import annotations

import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dmengine.arrow import NUMBER
from dmengine.errors import MaskError, PlanError, RulesetError
from dmengine.functions import FunctionMasker, masker
from dmengine.spi import Limits, Masker
from dmengine.testing.maskers import check_masker

SECRET = "Ada Lovelace 4111-1111"


@masker
def shout(value: str) -> str:
    return value.upper()


def whisper(value):  # type: ignore[no-untyped-def]
    return value.lower()


whispering = masker(version=3, uniqueness="unknown", name="quiet")(whisper)


@masker
def next_number(value: int) -> int:
    return value + 1


@masker
def half(value: float) -> float:
    return value / 2


@masker
def cents(value: Decimal) -> Decimal:
    return value + Decimal("0.01")


@masker
def turned(value: bool) -> bool:
    return not value


@masker
def next_day(value: date) -> date:
    return value + timedelta(days=1)


@masker
def next_hour(value: datetime) -> datetime:
    return value + timedelta(hours=1)


@masker
def backwards(value: bytes) -> bytes:
    return value[::-1]


def mask(function: FunctionMasker, values: pa.Array) -> pa.Array:
    """Plan and mask as the engine does; functions look at no context."""
    out = function.plan(pa.field("x", values.type), Limits())
    masked = function.mask(values, None)  # type: ignore[arg-type]
    assert masked.type == out.type
    return masked


CASES: list[tuple[FunctionMasker, pa.Array, list[Any]]] = [
    (shout, pa.array(["a", "ß"]), ["A", "SS"]),
    (shout, pa.array(["a"], pa.large_string()), ["A"]),
    (shout, pa.array(["a"], pa.string_view()), ["A"]),
    (whispering, pa.array(["A"]), ["a"]),
    (next_number, pa.array([1, -5], pa.int16()), [2, -4]),
    (half, pa.array([1.0], pa.float32()), [0.5]),
    (cents, pa.array([Decimal("1.10")], pa.decimal128(5, 2)), [Decimal("1.11")]),
    (turned, pa.array([True, False]), [False, True]),
    (next_day, pa.array([date(2024, 2, 28)]), [date(2024, 2, 29)]),
    (next_hour, pa.array([datetime(2024, 1, 1)], pa.timestamp("us")), [datetime(2024, 1, 1, 1)]),
    (backwards, pa.array([b"ab"]), [b"ba"]),
    (shout, pa.array([], pa.string()), []),
]


@pytest.mark.parametrize(("function", "values", "expected"), CASES, ids=lambda case: getattr(case, "name", None))
def test_a_function_masks_the_type_that_it_is_annotated_for(
    function: FunctionMasker, values: pa.Array, expected: list[Any]
) -> None:
    """Text without annotations, any scalar type with them; the Arrow type stays as it was."""
    assert isinstance(function, Masker)
    assert mask(function, values).to_pylist() == expected


def test_numbers_of_documents_are_decimals() -> None:
    """A function of Decimal takes a document's numbers digit by digit."""
    values = pa.ExtensionArray.from_storage(NUMBER, pa.array(["1.10", "12345678901234567890.5"]))

    assert mask(cents, values).storage.to_pylist() == ["1.11", "12345678901234567890.51"]


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (shout, pa.int64()),
        (next_number, pa.string()),
        (next_number, pa.bool_()),
        (half, pa.int32()),
        (next_day, pa.timestamp("s")),
        (next_hour, pa.timestamp("ns")),
        (shout, pa.list_(pa.string())),
    ],
)
def test_other_types_are_refused_before_any_data(function: FunctionMasker, kind: pa.DataType) -> None:
    """A plan names the function and both types; nanoseconds, which datetime would lose, are refused too."""
    with pytest.raises(PlanError, match=rf"{function.name} takes .*, and x is"):
        function.plan(pa.field("x", kind), Limits())


def test_a_function_meets_the_contract_of_masks() -> None:
    """Functions pass the kit that every mask passes: batches, order, nulls, dictionaries, plans, pickles."""
    check_masker(shout, ["a", "b", None, "a", ""])
    check_masker(next_number, [1, None, 2, 1])


def leaks(error: BaseException) -> bool:
    told = "".join(traceback.format_exception(error))
    return SECRET in told or error.__cause__ is not None or error.__context__ is not None


def fails_on_some(value: str) -> str:
    if value == SECRET:
        raise ValueError(f"cannot mask {value}")
    return "x"


def test_an_exception_inside_is_counted_and_never_shown() -> None:
    """The error tells function, class and count; neither text nor chain holds a value."""
    with pytest.raises(MaskError, match="fails_on_some raised ValueError on 2 of 3 values") as caught:
        mask(masker(fails_on_some), pa.array([SECRET, "b", SECRET]))

    assert not leaks(caught.value)


def returns_none(value):  # type: ignore[no-untyped-def]
    return None


def returns_length(value):  # type: ignore[no-untyped-def]
    return len(value)


def returns_surrogate(value: str) -> str:
    return value + "\ud800"


@pytest.mark.parametrize(
    ("function", "values", "said"),
    [
        (masker(returns_none), pa.array([SECRET]), "returned NoneType where str was due"),
        (masker(returns_length), pa.array([SECRET]), "returned int where str was due"),
        (masker(returns_surrogate), pa.array([SECRET]), "does not fit into string"),
        (next_number, pa.array([127], pa.int8()), "does not fit into int8"),
        (cents, pa.array([Decimal("99.99")], pa.decimal128(4, 2)), "does not fit into decimal128"),
    ],
)
def test_a_result_of_another_type_or_size_is_refused(function: FunctionMasker, values: pa.Array, said: str) -> None:
    """What a function returns must fit where its value came from; the error shows no value."""
    with pytest.raises(MaskError, match=said) as caught:
        mask(function, values)

    assert not leaks(caught.value)


def returns_bool(value: int) -> int:
    return value > 0


def returns_datetime(value: date) -> date:
    return datetime(2024, 1, 1, 12)


def returns_nan(value: Decimal) -> Decimal:
    return Decimal("NaN")


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (returns_bool, pa.array([1])),
        (returns_datetime, pa.array([date(2024, 1, 1)])),
        (returns_nan, pa.ExtensionArray.from_storage(NUMBER, pa.array(["1"]))),
    ],
)
def test_python_subclasses_do_not_slip_through(function: Callable[[Any], Any], values: pa.Array) -> None:
    """True is no integer, a datetime no date, and NaN no number of a document."""
    with pytest.raises(MaskError):
        mask(masker(function), values)


def takes_two(value: str, key: str) -> str:
    return value + key


def converts(value: str) -> int:
    return len(value)


def takes_a_list(value: list[str]) -> list[str]:
    return value


@pytest.mark.parametrize("function", [takes_two, converts, takes_a_list, lambda: "x", str, len, SECRET.upper])
def test_what_is_no_function_of_one_value_is_refused_at_once(function: Any) -> None:
    """Two parameters, another result type, classes and bound methods are refused when the mask is made."""
    with pytest.raises(RulesetError, match="def my_mask"):
        masker(function)


def test_options_name_and_version_the_mask() -> None:
    """The name is what reports show; version and uniqueness are as declared, and nothing is reversible."""
    assert (shout.name, shout.version, shout.uniqueness) == ("shout", 1, "unknown")
    assert (whispering.name, whispering.version) == ("quiet", 3)
    assert masker(uniqueness="injective")(whisper).uniqueness == "injective"
    assert (shout.consistent, shout.reversible, shout.scope) == (True, False, "value")
    assert shout("a") == "A"


@pytest.mark.parametrize("function", [shout, whispering, masker(whisper)], ids=lambda function: function.name)
def test_functions_at_the_top_of_a_module_pickle_by_name(function: FunctionMasker) -> None:
    """A pickle holds only where to find the function, also where the mask took the function's own name."""
    assert function.picklable
    assert pickle.loads(pickle.dumps(function)) == function


def test_lambdas_and_local_functions_say_that_they_do_not_pickle() -> None:
    """Such masks run in threads only, and tell so beforehand."""

    def local(value: str) -> str:
        return value

    assert not masker(local).picklable
    assert not masker(lambda value: value).picklable
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.loads(pickle.dumps(masker(local)))


def test_functions_of_a_prompt_do_not_pickle() -> None:
    """What was typed into a prompt or notebook has no file that a worker could import."""
    script = "import dmengine.functions as f\n@f.masker\ndef g(v): return v\nprint(g.picklable)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
