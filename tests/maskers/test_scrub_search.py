"""The search of scrub, which looks at few bytes, finds what a search of every value from end to end finds."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine_maskers.blocks import Block
from dmengine_maskers.findings import Resolved, find, put_back, resolve
from dmengine_maskers.iban_structures import LENGTHS
from dmengine_maskers.recognisers import RECOGNISERS, What
from dmengine_maskers.scanning import Scan
from tests.maskers.plain_search import Found, find_plainly

LIKE_FINDINGS = [
    "4111111111111111", "4111 1111 1111 1111", "3782-822463-10005", "6212 3456 7890 1234 569", "5555 5555 5555 4444 12",
    "DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "de89 3704 0044 0532 0130 00", "NO9386011117947",
    "D\u212a5000400440116243", "I\u017f140159260076545510730339", "ann@corp.com", "a.b'c+d@x-y.co.uk",
    "zoë@dömäin.de", f"{'ann.' * 12}x@{'mail.' * 9}example", "https://corp.com/a?b=c#d,", "http\u017f://x", "WWW.x.org",
    "ftp://localhost/" + "a" * 50, "192.168.0.1", "10.0.0.256", "1.2.3.4.5", "2001:db8::1", "::1", "1:2:3:4:5:6:7:8",
    "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "12:30:45", "00:1B:44:11:3a:B7", "aa-bb-cc-dd-ee-ff", "078-05-1120",
    "2024-02-29", "29.2.2024", "1/1/20", "March 3rd, 2021", "3 of march 2021", "31\u017ft. of \u017feptember., 1999",
    "may 1\u017ft, 2000", "+1 (555) 123-4567", "1-212-555-0147", "(030) 1234567", "+442079460958", "0171/123456",
]  # fmt: skip
BESIDE = [
    " ", "a", "x_", "é", "“", "😀", "\u017f", "\u212a", "١", "½", "-", ".", ",", ":", "/", "(", ")", "+", "@", "\n",
    "0", "1", "12", "007", "1999", "_", "<", '"', "of", "may", "DE", "gb", "::", "f:", "\0", "\u0301", "www", "http",
]  # fmt: skip


def pieces() -> st.SearchStrategy[str]:
    whole = st.sampled_from(LIKE_FINDINGS)
    part = st.tuples(whole, st.integers(0, 20), st.integers(1, 40)).map(lambda cut: cut[0][cut[1] : cut[2]])
    account = st.tuples(st.sampled_from(sorted(LENGTHS)), st.from_regex("[0-9]{2}[0-9A ]{0,33}", fullmatch=True))
    signs = st.text("0123456789 -./()+", max_size=20) | st.text("0123456789abcdefF:.-", max_size=40)
    return whole | part | account.map("".join) | signs | st.sampled_from(BESIDE)


VALUES = st.lists(st.lists(pieces(), max_size=12).map("".join), min_size=1, max_size=8)


def searched(values: list[str], what: What, *, check: bool, at_once: int) -> Found:
    block = Block.of(pa.array(values, pa.string()))
    found = find(Scan(block, at_once), RECOGNISERS[what], check=check)
    rows = block.row_of(found.starts)
    places = zip(rows, found.starts - block.ends[rows], found.stops - block.ends[rows], strict=True)
    return [(int(row), int(start), int(stop)) for row, start, stop in places]


@pytest.mark.parametrize("what", RECOGNISERS)
@settings(deadline=None)
@given(values=VALUES, check=st.booleans(), at_once=st.sampled_from([1, 5, 64, 1 << 17]))
def test_search_finds_what_a_plain_search_finds(what: What, values: list[str], check: bool, at_once: int) -> None:
    """No window hides a finding, makes one, or moves its ends, whatever is around it."""
    plain = find_plainly(values, RECOGNISERS[what], check=check)

    assert searched(values, what, check=check, at_once=at_once) == plain


@pytest.mark.parametrize("what", RECOGNISERS)
def test_search_finds_each_kind_at_the_edges_of_values(what: What) -> None:
    """What stands alone, at the beginning or at the end of a value is found as in the midst of one."""
    values = [
        text
        for piece in LIKE_FINDINGS
        for text in ("a", piece, "1", "", piece, f"{piece} a", f"1 {piece}", f"“{piece}”")
    ]

    found = searched(values, what, check=True, at_once=1 << 17)

    assert found == find_plainly(values, RECOGNISERS[what])
    assert found


@settings(deadline=None)
@given(VALUES)
def test_masks_are_put_where_findings_were(values: list[str]) -> None:
    """All text around the findings stays, in every value, and nothing of a finding does."""
    block = Block.of(pa.array(values, pa.string()))
    found = resolve([find(Scan(block), recogniser) for recogniser in RECOGNISERS.values()])
    masks = [f"<{'x' * (place % 5)}>" for place in range(len(found.spans))]

    written = put_back(block, found.spans, pa.array(masks, pa.string()))

    assert written.to_pylist() == put_plainly(block, values, found, masks)


def put_plainly(block: Block, values: list[str], found: Resolved, masks: list[str]) -> list[str]:
    texts = [value.encode() for value in values]
    rows = block.row_of(found.spans.starts)
    for place in reversed(range(len(masks))):
        row, begin = rows[place], block.ends[rows[place]]
        start, stop = found.spans.starts[place] - begin, found.spans.stops[place] - begin
        texts[row] = texts[row][:start] + masks[place].encode() + texts[row][stop:]
    return [text.decode() for text in texts]
