"""The page for those who come from another tool names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from dmengine.datamasque.masks import TRANSLATIONS, WITHOUT
from dmengine.registry import names

PAGE = Path(__file__).parents[2] / "docs" / "maskers" / "coming-from.md"
WORDS = {
    "as", "by", "bounds", "drop", "keep", "otherwise", "unmask_table", "us_ssn", "br_cpf", "nz_ird", "when", "width",
    "locale", "domain", "mode", "table_filter_column", "pan_format", "alphabet", "user",
    "gender", "match_field", "part", "subject", "words",
}  # fmt: skip
"""Words of the second column of the page that name parameters and rules, not masks."""


def cells() -> list[tuple[str, str]]:
    rows = [line.strip("| \n").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [(left, right) for left, right, *_ in rows if (left, right) != ("DataMasque", "here")]


def test_every_mask_that_the_page_for_newcomers_names_is_there() -> None:
    """The page names no mask that is not installed."""
    named = {word for _, right in cells() for word in re.findall(r"`([a-z0-9_]+)[^`]*`", right)}

    assert named - WORDS <= set(names("dmengine.maskers"))
    assert len(named - WORDS) > 30


def test_the_page_for_newcomers_names_every_mask_of_datamasque() -> None:
    """Each mask that DataMasque knows stands in the table, whether it is carried or not."""
    listed = {word for left, _ in cells() for word in re.findall(r"`([a-z_]+)`", left)}

    assert set(TRANSLATIONS) | set(WITHOUT) <= listed
    assert len(set(TRANSLATIONS) | set(WITHOUT)) == 39  # 38, and the old name of one
