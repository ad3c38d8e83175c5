"""What becomes of XML documents that are values, and which of them are not even read."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dmengine.errors import PlanError
from dmengine.maskers import Bucket, Fixed, Inside, Redact, Xml
from dmengine.spi import Limits
from dmengine.testing.context import mask_values

pytest.importorskip("lxml")

HEAD = '<?xml version="1.0" encoding="latin1"?>'
SPACES = 'xmlns="urn:x" xmlns:y="urn:y"'
FIX = Inside("u/m", Fixed("X"))


def masked(masker: Xml, *documents: str) -> list[str | None]:
    """Mask documents; what is a mismatch is None."""
    return mask_values(masker, list(documents), on_mismatch="null")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<u><m>a</m></u>", "<u><m>X</m></u>"),
        (f"{HEAD}\n<u><m>a</m>\n</u>\n", f"{HEAD}\n<u><m>X</m>\n</u>\n"),
        (f'<u {SPACES}><y:m y:k="v">a</y:m></u>', f'<u {SPACES}><y:m y:k="v">X</y:m></u>'),
        ("<u><m><![CDATA[a<b]]></m><n><![CDATA[a<b]]></n></u>", "<u><m>X</m><n><![CDATA[a<b]]></n></u>"),
        ("<u>t<m>a</m>t<!-- c --><?p i?></u>", "<u>t<m>X</m>t<!-- c --><?p i?></u>"),
        ("<!-- a --><u><m/></u><!-- b -->", "<!-- a --><u><m/></u><!-- b -->"),
    ],
)  # fmt: skip
def test_only_what_is_named_changes(before: str, after: str) -> None:
    """Texts, attributes, namespaces, comments and white space beside a masked element stay."""
    assert masked(Xml((FIX,), unlisted="keep"), before) == [after]


@pytest.mark.parametrize(
    "text",
    ["", "x", "<u>", "<u><m>a</u></m>", "<u>&e;</u>", '<!DOCTYPE u [<!ENTITY e "x">]><u>&e;</u>',
     '<!DOCTYPE u SYSTEM "http://localhost/u.dtd"><u/>', "<u/><u/>", "<u>" * 70 + "</u>" * 70, "<u>\0</u>"],
)  # fmt: skip
def test_what_is_no_plain_document_is_a_mismatch(text: str) -> None:
    """Text that is not well-formed, has a DTD, or nests too deep is not read."""
    assert masked(Xml((FIX,), unlisted="keep"), "<u><m>a</m></u>", text) == ["<u><m>X</m></u>", None]


@pytest.mark.parametrize(
    "text",
    ["<u>t</u>", "<u><m k='v'>a</m></u>", "<u><m>a</m>t</u>", "<u><n>t</n></u>", "<u><!-- c --></u>", "<!--c--><u/>"],
)  # fmt: skip
def test_what_no_rule_names_makes_a_mismatch(text: str) -> None:
    """A text, an attribute or a comment that nobody decided about does not pass."""
    assert masked(Xml((FIX,)), text, "<u><m>a</m></u>") == [None, "<u><m>X</m></u>"]


def test_unlisted_texts_are_redacted_or_dropped() -> None:
    """`unlisted` says what becomes of texts that no rule names; comments go."""
    document = '<u k="v">t<m>a</m>t<!-- c -->t<n> </n></u><!-- d -->'

    assert masked(Xml((FIX,), unlisted="redact"), document) == ['<u k="*">*<m>X</m>**<n> </n></u>']
    assert masked(Xml((FIX,), unlisted="drop"), document) == ['<u k=""><m>X</m><n> </n></u>']


def test_keep_and_redact_cover_what_is_below() -> None:
    """A rule that keeps or redacts an element does so with all that is in it."""
    rules = (Inside("u/@id", keep="key"), Inside("u/a", keep="harmless"), Inside("//s", Redact()))

    made = masked(Xml(rules), '<u id="1"><a k="v">t<b>t</b><!-- c --></a><x><s k="v">t<b>t</b>t</s></x></u>')

    assert made == ['<u id="1"><a k="v">t<b>t</b><!-- c --></a><x><s k="*">*<b>*</b>*</s></x></u>']


def test_missing_elements_are_as_the_rule_says() -> None:
    """A document without text at a path is left alone or makes a mismatch."""
    strict = Xml((Inside("u/@id", Fixed("X"), on_missing="mismatch"),))

    assert masked(strict, '<u id="1"/>', "<u/>") == ['<u id="X"/>', None]


def test_masked_text_that_xml_cannot_hold_makes_a_mismatch() -> None:
    """Control characters do not get into a document."""
    assert masked(Xml((Inside("u", Fixed("a\0b")),)), "<u>t</u>") == [None]
    assert masked(Xml((Inside("u", Fixed("<&>")),)), "<u>t</u>") == ["<u>&lt;&amp;&gt;</u>"]


@pytest.mark.parametrize(
    ("masker", "message"),
    [
        (Xml(()), "name at least one"),
        (Xml((Inside("a b", Redact()),)), "be a path"),
        (Xml((Inside("@a/b", Redact()),)), "be a path"),
        (Xml((Inside("a", Bucket(10)),)), "takes nothing"),
        (Xml((Inside("a", Redact(), on_null="mismatch"),)), "on_null"),
        (Xml((FIX,), max_depth=1000), "max_depth"),
    ],
)
def test_rules_that_make_no_sense_are_refused(masker: Xml, message: str) -> None:
    """Mistakes in the rules are found before anything is read."""
    with pytest.raises(PlanError, match=message):
        masker.plan(pa.field("doc", pa.string()), Limits())
