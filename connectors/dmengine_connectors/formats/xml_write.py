"""Masked texts as changes to the bytes of XML: in the form, and between the quotes, that the old ones had."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans
from dmengine.errors import MaskError
from dmengine.jsontext.edit import Change
from dmengine.jsontext.index import Flags, places
from dmengine.spi import Positions
from dmengine_connectors.formats.xml_encoding import Encoding
from dmengine_connectors.formats.xml_text import CDATA, CDATA_END, MARKUP, as_cdata, escaped
from dmengine_connectors.formats.xml_tree import ATTRIBUTE, COMMENT, INSTRUCTION, Tree

_OPENS: Final = ord("<")
_COMMENT_ENDS: Final = r"--|-$"  # XML 1.0, production 15


def pieces(tree: Tree, nodes: Positions, values: pa.Array, encoding: Encoding) -> list[Change]:
    """Write texts as the values of nodes.

    Raises:
        MaskError: a comment or processing instruction cannot hold its text.
    """
    kind = tree.kind[nodes]
    quote = np.where(kind == ATTRIBUTE, tree.data[np.maximum(tree.start[nodes] - 1, 0)], 0)
    marked = ~np.isin(kind, (ATTRIBUTE, COMMENT, INSTRUCTION)) & _has_markup(tree, nodes)
    changes = []
    for letter in (0, ord('"'), ord("'")):
        chosen = np.flatnonzero((quote == letter) & ~marked)
        if not len(chosen):
            continue
        some, where = values.take(pa.array(chosen)), nodes[chosen]
        note = np.isin(tree.kind[where], (COMMENT, INSTRUCTION))
        if note.any():
            _check_notes(some.filter(pa.array(note)))
            made = some.cast(pa.large_string()).cast(pa.large_binary())
            made = pc.if_else(pa.array(note), made, escaped(some))
        else:
            made = escaped(some, chr(letter) if letter else "")
        changes.append(Change(tree.start[where], tree.end[where], made))
    places_of = np.flatnonzero(marked)
    for node, text in zip(nodes[places_of].tolist(), values.take(pa.array(places_of)).to_pylist(), strict=True):
        changes.append(_mixed(tree, node, text, encoding))
    return changes


def _has_markup(tree: Tree, nodes: Positions) -> Flags:
    """Mark the nodes whose text holds CDATA, comments or processing instructions."""
    opens = places(tree.data, _OPENS)
    return np.searchsorted(opens, tree.start[nodes]) < np.searchsorted(opens, tree.end[nodes])


def _check_notes(values: pa.Array) -> None:
    if booleans(pc.match_substring_regex(values, _COMMENT_ENDS + r"|\?>")).any():
        raise MaskError("a mask returned what would end a comment", hint="drop comments, or mask them without `--`")


def _mixed(tree: Tree, node: int, text: str, encoding: Encoding) -> Change:
    """Put a text in the place of the first of several pieces, and leave comments where they are."""
    start, end = int(tree.start[node]), int(tree.end[node])
    raw = tree.data[start:end].tobytes()
    spans, position = [], 0
    for found in MARKUP.finditer(raw):
        if found[1] is None:  # a comment or a processing instruction
            spans.append((position, found.start()))
            position = found.end()
    spans = [span for span in (*spans, (position, len(raw))) if span[0] < span[1]]
    first = raw[slice(*spans[0])]
    alone = first.startswith(CDATA) and first.find(CDATA_END) == len(first) - len(CDATA_END)
    cdata = as_cdata(text) if alone and encoding.name.startswith("utf") else None
    new = [cdata if cdata is not None else escaped(pa.array([text]))[0].as_py(), *[b""] * (len(spans) - 1)]
    at = np.array(spans, np.int64) + start
    return Change(at[:, 0], at[:, 1], pa.array(new, pa.large_binary()))
