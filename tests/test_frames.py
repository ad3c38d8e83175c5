"""pandas frames: masked in memory, with dtypes and index as they were."""

from __future__ import annotations

import datetime

import pandas as pd
import pytest

import dmengine as dm
from dmengine.errors import PlanError
from dmengine.maskers import DateShift, FirstName, Hash, Number, Redact

KEPT = dm.Rule("f", dm.keep(because="test"), optional=True)


def test_dtypes_stay(key: dm.Key) -> None:
    """Nullable, categorical, zoned and object columns come back as they went in."""
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None, 3], "Int64"),
            "s": ["ann", None, "cem"],
            "c": pd.Categorical(["x", "y", "x"]),
            "t": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]).tz_localize("Europe/Berlin"),
            "o": [datetime.date(2020, 1, 1)] * 3,
            "f": [1.5, None, 2.0],
        }
    )
    rules = dm.Ruleset(
        [dm.Rule("i", Number(minimum=0, maximum=9)), dm.Rule("s", FirstName()), dm.Rule("c", Hash()),
         dm.Rule(["t", "o"], DateShift(days=5)), KEPT]
    )  # fmt: skip

    got = dm.mask_frame(frame, rules, key)

    assert got["c"].dtype.name == "category"
    assert [str(d) for d in got.drop(columns="c").dtypes] == [str(d) for d in frame.drop(columns="c").dtypes]
    assert got["c"].notna().all()
    assert got["c"][0] == got["c"][2] != "x"


def test_no_original_survives_in_a_categorical(key: dm.Key) -> None:
    """The categories of a masked column are masked values only."""
    frame = pd.DataFrame({"c": pd.Categorical(["secret"], categories=["secret", "unused"])})

    got = dm.mask_frame(frame, dm.Ruleset([dm.Rule("c", Redact())]), key)

    assert list(got["c"].cat.categories) == ["*"] if got["c"].dtype.name == "category" else list(got["c"]) == ["*"]


def test_a_named_index_is_a_field(key: dm.Key) -> None:
    """An index of people's e-mails is masked by the rule of its name, and refused without one."""
    frame = pd.DataFrame({"f": [1.0]}, index=pd.Index(["ann@x.org"], name="email"))

    got = dm.mask_frame(frame, dm.Ruleset([dm.Rule("email", Redact()), KEPT]), key)

    assert list(got.index) == ["*"]
    with pytest.raises(PlanError, match="no rule covers: email"):
        dm.mask_frame(frame, dm.Ruleset([KEPT]), key)


def test_an_index_of_values_needs_a_name(key: dm.Key) -> None:
    """Labels that no rule can name are refused; numbers of rows stay."""
    rules = dm.Ruleset([KEPT])

    with pytest.raises(PlanError, match="the index holds values"):
        dm.mask_frame(pd.DataFrame({"f": [1.0]}, index=["ann@x.org"]), rules, key)

    assert list(dm.mask_frame(pd.DataFrame({"f": [1.0]}, index=[7]), rules, key).index) == [7]


@pytest.mark.parametrize("labels", [["f", "f"], [1, 2], [("a", "b"), ("a", "c")]])
def test_columns_that_no_rule_could_name_are_refused(key: dm.Key, labels: list[object]) -> None:
    """Duplicate labels and labels that are no text are errors."""
    frame = pd.DataFrame([[1.0, 2.0]])
    frame.columns = pd.Index(labels, tupleize_cols=False)

    with pytest.raises(PlanError, match="columns"):
        dm.mask_frame(frame, dm.Ruleset([KEPT]), key)
