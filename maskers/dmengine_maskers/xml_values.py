"""Texts that are XML documents: read without DTDs and network, and written with the prolog that they had."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dmengine.errors import PluginError

if TYPE_CHECKING:
    from lxml import etree

_PROLOG: Final = re.compile(r"\s*(?:<\?xml\s[^>]*\?>)?\s*")
_DTD: Final = "<!DOCTYPE"


def require_lxml() -> Any:
    """Return lxml's etree.

    Raises:
        PluginError: it is not installed.
    """
    try:
        from lxml import etree
    except ImportError:
        missing = True
    else:
        return etree
    assert missing
    raise PluginError("lxml is not installed", hint='pip install "dmengine[xml]"')


@dataclass(frozen=True, slots=True)
class Text:
    """A text inside of a document.

    Attributes:
        path: The element that it belongs to, or the attribute that it is the value of.
        value: What it says.
        put: Puts another in its place.
    """

    path: str
    value: str
    put: Callable[[str], None]


@dataclass(slots=True)
class Document:
    """A document with what stands before and behind it."""

    root: etree._Element
    head: str
    tail: str

    @staticmethod
    def parse(text: str, max_depth: int) -> Document | None:
        """Read a text; None if it is no well-formed document, has a DTD, or nests deeper.

        >>> Document.parse("<a>1</b>", 9), Document.parse("<!DOCTYPE a><a/>", 9), Document.parse("<a><b/></a>", 1)
        (None, None, None)
        """
        etree = require_lxml()
        if _DTD in text:
            return None
        prolog = _PROLOG.match(text)
        assert prolog is not None, "it matches where nothing is, too"
        parser = etree.XMLParser(
            encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
            strip_cdata=False,
        )  # fmt: skip
        try:
            root = etree.fromstring(text[prolog.end() :].encode(), parser)
        except (etree.XMLSyntaxError, UnicodeEncodeError, ValueError):
            return None
        if root.getroottree().docinfo.doctype or _depth(root) > max_depth:
            return None
        return Document(root, prolog[0], text[len(text.rstrip()) :])

    def texts(self) -> Iterator[Text]:
        """Name every text that is not only white space, and every attribute."""
        yield from _texts(self.root, _name(self.root))

    def notes(self) -> list[tuple[str, etree._Element]]:
        """Return comments and processing instructions, with the path of the element that they are in."""
        etree = require_lxml()
        inside = self.root.iter(etree.Comment, etree.ProcessingInstruction)
        beside = (*self.root.itersiblings(preceding=True), *self.root.itersiblings())
        return [(_path(node.getparent()), node) for node in (*inside, *beside)]

    def to_text(self) -> str:
        """Write the document."""
        etree = require_lxml()
        return self.head + str(etree.tostring(self.root.getroottree(), encoding="unicode")) + self.tail


def remove(node: etree._Element) -> None:
    """Remove a comment or a processing instruction, and leave the text behind it."""
    parent, before = node.getparent(), node.getprevious()
    tail = node.tail
    if parent is None:  # beside the root
        holder = require_lxml().Element("holder")
        holder.append(node)
        return
    if tail and before is not None:
        before.tail = (before.tail or "") + tail
    elif tail:
        parent.text = (parent.text or "") + tail
    parent.remove(node)


def _texts(element: etree._Element, path: str) -> Iterator[Text]:
    for name, value in element.attrib.items():
        yield Text(f"{path}/@{_local(str(name))}", str(value), _setter(element.attrib.__setitem__, name))
    if element.text and element.text.strip():
        yield Text(path, element.text, lambda new: setattr(element, "text", new))
    for child in element:
        if isinstance(child.tag, str):
            yield from _texts(child, f"{path}/{_name(child)}")
        if child.tail and child.tail.strip():
            yield Text(path, child.tail, _setter(setattr, child, "tail"))


def _setter(put: Callable[..., object], *first: Any) -> Callable[[str], None]:
    def set_to(new: str) -> None:
        put(*first, new)

    return set_to


def _name(element: etree._Element) -> str:
    return _local(str(element.tag))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _path(element: etree._Element | None) -> str:
    names: list[str] = []
    while element is not None:
        names.append(_name(element))
        element = element.getparent()
    return "/".join(reversed(names))


def _depth(root: etree._Element) -> int:
    deepest, level = 0, [root]
    while level:
        deepest += 1
        level = [child for element in level for child in element]
    return deepest
