"""Texts of XML as Arrow values, and Arrow values as texts and attributes of XML."""

from __future__ import annotations

import re
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, is_number, is_text
from dmengine.errors import MaskError
from dmengine.jsontext.index import Bytes, slices
from dmengine.spi import Positions

MARKUP: Final = re.compile(rb"<!\[CDATA\[(.*?)\]\]>|<!--.*?-->|<\?.*?\?>", re.DOTALL)
CDATA, CDATA_END = b"<![CDATA[", b"]]>"
_REFERENCE: Final = re.compile(r"&(?:#x([0-9A-Fa-f]+)|#([0-9]+)|(lt|gt|amp|quot|apos));")
_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_ENDS: Final = re.compile(r"\r\n?")
_WHITE: Final = re.compile(r"\r\n|[\r\n\t]")
# XML 1.0, production 2
_ILLEGAL: Final = r"[^\x{9}\x{A}\x{D}\x{20}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]"
_LETTERS: Final = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;"))
_ODD: Final = {"element": r"[&<\r]", "attribute": r"[&\r\n\t]", "note": r"\r"}
_IN_QUOTES: Final = (("\n", "&#10;"), ("\t", "&#9;"))


Where = Literal["element", "attribute", "note"]


def texts(data: Bytes, starts: Positions, ends: Positions, place: Where = "element") -> pa.Array:
    """Read spans of XML, in order and apart, as the texts that they mean.

    >>> block = np.frombuffer(b"a&amp;b<![CDATA[&]]>", np.uint8)
    >>> texts(block, np.array([0]), np.array([20])).to_pylist()
    ['a&b&']
    """
    raw = slices(data, starts, ends)
    plain = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    odd = booleans(pc.match_substring_regex(plain, _ODD[place]))
    if not odd.any():
        return plain
    where = np.flatnonzero(odd)
    meant = [_meant(text, place) for text in plain.take(pa.array(where)).to_pylist()]
    index = np.arange(len(plain))
    index[where] = len(plain) + np.arange(len(where))
    return pa.concat_arrays([plain, pa.array(meant, pa.string())]).take(pa.array(index))


def _meant(text: str, place: Where) -> str:
    if place == "attribute":
        return _REFERENCE.sub(_letter, _WHITE.sub(" ", text))
    text = _ENDS.sub("\n", text)
    if place == "note":
        return text
    if "<" not in text:
        return _REFERENCE.sub(_letter, text)
    parts, position = [], 0
    raw = text.encode()
    for found in MARKUP.finditer(raw):
        parts.append(_REFERENCE.sub(_letter, raw[position : found.start()].decode()))
        parts.append((found[1] or b"").decode())
        position = found.end()
    return "".join([*parts, _REFERENCE.sub(_letter, raw[position:].decode())])


def _letter(found: re.Match[str]) -> str:
    if found[3]:
        return _NAMED[found[3]]
    code = int(found[1], 16) if found[1] else int(found[2])
    return chr(code) if code < 0x110000 else found[0]  # a parser has refused it, or will


def plain_texts(values: pa.Array) -> pa.Array:
    """Return what a mask made as text; null as no text.

    Raises:
        MaskError: it has no form in XML.

    >>> plain_texts(pa.array([True, None])).to_pylist()
    ['true', '']
    """
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        values = values.storage
    elif not (is_text(kind) or is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise MaskError(
            f"{kind} cannot be written as XML", hint="use a mask that returns text, numbers, true and false"
        )
    made = values.cast(pa.string()).fill_null("")
    try:
        made.validate(full=True)
        broken = bool(pc.any(pc.match_substring_regex(made, _ILLEGAL), min_count=0).as_py())
    except pa.ArrowInvalid:
        broken = True
    if broken:
        raise MaskError("a mask returned characters that XML cannot hold", hint="use a mask without control characters")
    return made


def escaped(values: pa.Array, quote: str = "") -> pa.Array:
    """Write texts so that they stand in an element, or between the quotes of an attribute.

    >>> escaped(pa.array(["a<b"])).to_pylist(), escaped(pa.array(['"']), '"').to_pylist()
    ([b'a&lt;b'], [b'&quot;'])
    """
    own = ((quote, "&quot;" if quote == '"' else "&apos;"), *_IN_QUOTES) if quote else ()
    for letter, reference in (*_LETTERS, *own):
        values = pc.replace_substring(values, letter, reference)
    return values.cast(pa.large_string()).cast(pa.large_binary())


def as_cdata(text: str) -> bytes | None:
    r"""Write a text as CDATA, or return None for one that changes there.

    >>> as_cdata("a]]>b"), as_cdata("\r")
    (b'<![CDATA[a]]]]><![CDATA[>b]]>', None)
    """
    if "\r" in text:
        return None
    return CDATA + text.encode().replace(CDATA_END, b"]]]]><![CDATA[>") + CDATA_END
