"""What scrub finds, written in the plainest way: each expression over each whole value, one by one."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from dmengine_maskers.recognisers import Recogniser

Found = list[tuple[int, int, int]]
"""The value, and the first byte and the end of what was found in it."""


def find_plainly(values: list[str], recogniser: Recogniser, *, check: bool = True) -> Found:
    before = f"^|[^{recogniser.not_before}]" if recogniser.not_before else ""
    expression = f"({before})({recogniser.body})"
    found: Found = []
    for row, marked in enumerate(pc.replace_substring_regex(pa.array(values), expression, b"\\1\xfe\\2\xff")):
        for start, stop in _matches(marked.as_buffer().to_pybytes()):
            stop = _kept(values[row].encode(), start, stop, recogniser, check)
            found += [(row, start, stop)] if stop else []
    return found


def _matches(marked: bytes) -> list[tuple[int, int]]:
    begins = marked.split(b"\xfe")
    place, matches = len(begins[0]), []
    for begun in begins[1:]:
        inside, behind = begun.split(b"\xff")
        matches.append((place, place + len(inside)))
        place += len(inside) + len(behind)
    return matches


def _kept(content: bytes, start: int, stop: int, recogniser: Recogniser, check: bool) -> int:
    """Return where a finding ends, or 0 if it is none: as it is, or without its last piece."""
    stops = [stop]
    if recogniser.last_piece:
        stops.append(start + max(content[start:stop].rfind(bytes([sign])) for sign in recogniser.last_piece))
    for end in stops:
        text = pa.array([content[start:end]]).cast(pa.string())
        followed = content[end : end + 1] in {bytes([sign]) for sign in recogniser.not_after}
        right = not check or recogniser.check is None or bool(recogniser.check(text)[0])
        if end > start and not followed and right:
            return end
    return 0
