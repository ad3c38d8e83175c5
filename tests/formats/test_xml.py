"""Reading XML as records, and writing it so that what was not changed stays byte for byte."""

import io
import pickle
import tracemalloc
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from dmengine.errors import InputError, MaskError, PluginError, RulesetError
from dmengine.paths import FieldPath
from dmengine.spi import Format, Records, RecordStream
from dmengine_connectors.formats.xml import XmlDocument
from dmengine_connectors.formats.xml_records import XmlRecords
from tests.formats.mutating import mutants, read_or_refused

path = FieldPath.parse
SIZES = [1, 7, 64, 1 << 20]
PEOPLE = b"""\xef\xbb\xbf<?xml version='1.0' encoding="utf-8" standalone='yes'?>\r
<!-- head --><?go x?>
<p:people xmlns:p="urn:x" p:source='crm' >
 <p:person id = "1" b='a&amp;"b"'><name>Ann &lt;3</name><mail type='h'>a@x</mail><mail>b@x</mail\r
 ><note><![CDATA[<x>&]]></note></p:person >
 <p:person id="2"><name/>mixed <b>x</b> text<!-- c --> more<empty>\r\n</empty></p:person>
</p:people>
<!-- end -->
"""
KEPT: dict[str, Any] = {"records": "person", "envelope": ("people.@source", "#comment", "#pi")}


def batches(text: bytes, size: int = 1 << 20, **options: Any) -> list[XmlRecords]:
    stream = XmlDocument(block_bytes=size, **options).read(io.BytesIO(text))
    return list(stream.batches)  # type: ignore[arg-type]


def copied(text: bytes, size: int = 1 << 20, **options: Any) -> tuple[int, bytes]:
    copy = io.BytesIO()
    form = XmlDocument(block_bytes=size, **options)
    return form.write(form.read(io.BytesIO(text)), copy), copy.getvalue()


def select(records: XmlRecords, name: str) -> list[Any]:
    """Return what is at a path, but for elements that hold others."""
    selections = [found for found in records.select(path(name)) if not pa.types.is_nested(found.values.type)]
    return [value for found in selections for value in found.values.to_pylist()]


def put(text: bytes, name: str, *new: str | None, **options: Any) -> bytes:
    """Replace the texts at a path."""
    (records,) = batches(text, **options)
    (found,) = [one for one in records.select(path(name)) if one.values.type == pa.string()]
    return records.replace(path(name), [found.with_values(pa.array(new, pa.string()))]).to_bytes()


# ---------------------------------------------------------------------------------------------- the form


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", [{}, KEPT, {**KEPT, "records": "people.person"}], ids=["document", "name", "path"])
def test_a_copy_is_the_file(size: int, options: dict[str, Any]) -> None:
    """Declaration, quotes, white space, CDATA, comments and namespaces leave as they came, wherever blocks are cut."""
    assert copied(PEOPLE, size, **options) == (2 if options else 1, PEOPLE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "UTF-16"),
        ("latin-1", "ISO-8859-1"),
        ("cp1252", "windows-1252"),
        ("iso-8859-15", "ISO-8859-15"),
        ("ascii", "us-ascii"),
        ("utf-8", "UTF-8"),
    ],
)
def test_every_encoding_is_kept(encoding: str, declared: str, size: int) -> None:
    """A file is read and written in the encoding that it declares, with references for letters that this lacks."""
    letter = "é" if encoding != "ascii" else "e"
    text = f'<?xml version="1.0" encoding="{declared}"?>\n<a><n>B{letter}</n>{letter}</a>'.encode(encoding)

    assert copied(text, size) == (1, text)
    changed = put(text, "a.n", "Z\u20ac\u4e2d")
    assert etree.fromstring(changed).findtext("n") == "Z\u20ac\u4e2d"
    assert etree.fromstring(changed)[0].tail == letter


def test_the_format_meets_the_contracts() -> None:
    """The format and its records are what the engine expects, and the format pickles."""
    form = XmlDocument(records="person", envelope=("a",))

    assert isinstance(form, Format)
    assert isinstance(batches(b"<a/>")[0], Records)
    assert pickle.loads(pickle.dumps(form)) == form
    assert form.schema(io.BytesIO(b"<a/>")) is None
    assert ["a" in finding.message for finding in form.read(io.BytesIO(b"")).findings] == [True]
    with pytest.raises(PluginError, match="only what xml has read"):
        form.write(RecordStream(iter([object()]), None), io.BytesIO())  # type: ignore[list-item]


def test_nothing_shows_its_content() -> None:
    """The repr of a batch holds none of its text."""
    (records,) = batches(b"<a>4929</a>")

    assert "4929" not in repr(records) + repr(records.tree) + repr(records.select(path("a")))


# ---------------------------------------------------------------------------------------------- paths


def test_fields_are_leaves_and_elements_that_no_rule_opens() -> None:
    """Attributes, texts between elements and notes are named like elements, below those that rules open."""
    (records,) = batches(PEOPLE)

    assert [str(field) for field in records.fields()] == ["#comment[*]", "#pi[*]", "people"]
    assert {str(field) for field in records.fields([path("people.person[*].name")])} == {
        "#comment[*]", "#pi[*]", "people.@source", "people.person[*].@id", "people.person[*].@b",
        "people.person[*].name", "people.person[*].mail[*]", "people.person[*].mail[*].@type", "people.person[*].note",
        "people.person[*].#text[*]", "people.person[*].b", "people.person[*].#comment[*]", "people.person[*].empty",
    }  # fmt: skip


def test_values_are_what_a_parser_reads() -> None:
    """References, CDATA and white space mean what they mean in XML; an element without text is null."""
    records = batches(PEOPLE, **KEPT)[0]

    assert select(records, "@b") == ['a&"b"']
    assert select(records, "name") == ["Ann <3", None]
    assert select(records, "mail[*]") == ["a@x", "b@x"]
    assert select(records, "note") == ["<x>&"]
    assert select(records, "#text[*]") == ["mixed ", " text", " more"]
    assert select(records, "#comment[*]") == [" c "]
    assert select(records, "empty") == [None]
    assert select(records, "mail") == select(records, "nothing") == select(records, "name.more") == []


def test_an_element_is_one_of_a_list_where_it_stands_beside_another() -> None:
    """A rule for one element does not take two, and a rule for each takes also one."""
    records = batches(b"<r><p><m>a</m></p><p><m>b</m><m>c</m></p></r>", records="p")[0]

    assert [str(field) for field in records.fields([path("m")])] == ["m", "m[*]"]
    assert [str(field) for field in records.fields([path("m[*]")])] == ["m[*]"]
    assert (select(records, "m"), select(records, "m[*]")) == (["a"], ["a", "b", "c"])
    (found,) = records.select(path("m[*]"))
    assert found.rows is not None
    assert (found.rows.tolist(), found.elements[0].tolist()) == ([0, 1, 1], [0, 0, 1])


# ---------------------------------------------------------------------------------------------- changes


@pytest.mark.parametrize(
    ("text", "name", "new", "expected"),
    [
        (b"<a ><n >x</n >\n</a>", "a.n", "a<&>'\"", b"<a ><n >a&lt;&amp;&gt;'\"</n >\n</a>"),
        (b"<a n = 'x' m=\"y\"/>", "a.@n", "'\"\n", b'<a n = \'&apos;"&#10;\' m="y"/>'),
        (b'<a n="x"/>', "a.@n", "'\"", b'<a n="\'&quot;"/>'),
        (b"<a><n><![CDATA[x]]></n></a>", "a.n", "<]]>", b"<a><n><![CDATA[<]]]]><![CDATA[>]]></n></a>"),
        (b"<a><n>x<!-- c -->y</n></a>", "a.n", "z", b"<a><n>z<!-- c --></n></a>"),
        (b"<a><n><!-- c -->x<?p?><![CDATA[y]]></n></a>", "a.n", "z", b"<a><n><!-- c -->z<?p?></n></a>"),
        (b"<a>x<b/></a>", "a.#text[*]", "y", b"<a>y<b/></a>"),
        (b"<a><?p x?></a>", "a.#pi[*]", "y", b"<a><?p y?></a>"),
        (b"<a><n>x</n></a>", "a.n", None, b"<a><n></n></a>"),
        (b"<a><n>x</n></a>", "a.n", "\r", b"<a><n>&#13;</n></a>"),
        (b"<a><n>&#120;</n></a>", "a.n", "x", b"<a><n>&#120;</n></a>"),
    ],
    ids=repr,
)
def test_only_the_masked_bytes_change(text: bytes, name: str, new: str | None, expected: bytes) -> None:
    """A new text is escaped as its place asks for, and one that is the same keeps its bytes."""
    assert put(text, name, new) == expected


def test_dropped_and_blanked_fields_leave_nothing_behind() -> None:
    """Elements go with all in them, attributes with their white space; blanked ones keep their tags alone."""
    (records,) = batches(b'<a x="1" y="2"><b z="3"><c>4</c></b><d e="5">6</d><d>7</d></a>')

    assert records.drop(path("a.@x")).drop(path("a.b")).to_bytes() == b'<a y="2"><d e="5">6</d><d>7</d></a>'
    blank = records.blank(path("a.b")).blank(path("a.d[*]")).blank(path("a.@y"))
    assert blank.to_bytes() == b'<a x="1" y=""><b z=""></b><d e=""></d><d></d></a>'
    assert select(blank, "a.d[*]") == [None, None]
    assert blank.drop(path("a")).to_bytes() == b""


@pytest.mark.parametrize(("name", "value"), [("a.n", "\0"), ("a.n", "\ufffe"), ("a.#comment[*]", "a--b")])
def test_values_that_xml_cannot_hold_are_refused(name: str, value: str) -> None:
    """A result that would break the file is an error of the mask, before anything is written."""
    with pytest.raises(MaskError) as caught:
        put(b"<a><n>x</n><!--c--></a>", name, value)

    assert caught.value.__context__ is None


# ---------------------------------------------------------------------------------------------- refusals

BOMB = (
    b"<!DOCTYPE a [" + b"".join(b"<!ENTITY e%d '%s'>" % (n + 1, b"&e%d;" % n * 9) for n in range(9)) + b"]><a>&e9;</a>"
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "DTD"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a>hunter2</a>', "DTD"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "http://example.org/">]><a>&x;</a>', "DTD"),
        (b"<a>&x;hunter2</a>", "undefined entity"),
        (b"", "no element found"),
        (b"hunter2", "not well-formed"),
        (b"<a>hunter2", "no element found"),
        (b"<a>hunter2</b>", "mismatched tag"),
        (b"<a/>hunter2", "junk after"),
        (b"<a/><b/>", "junk after"),
        (b"<a x='hunter2' x='2'/>", "duplicate attribute"),
        (b"<a x=hunter2/>", "not well-formed"),
        (b"<a>\0</a>", "not well-formed"),
        (b"<a><![CDATA[hunter2</a>", "unclosed|no element"),
        (b"<a>" * 300 + b"</a>" * 300, "deeper than 256"),
        (b"<a>" * 300_000, "deeper than 256|no element"),
        (b"<a>hunter2\xff</a>", "not utf-8"),
        (b"<?xml version='1.0' encoding='utf-7'?><a/>", "not supported"),
        (b"<?xml version='1.0' encoding='utf-16'?><a/>", "first bytes are not"),
        ("<?xml version='1.0' encoding='utf-8'?><a/>".encode("utf-16"), "it is utf-16"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_not_well_formed_or_has_a_dtd_is_refused(text: bytes, said: str, size: int) -> None:
    """Whatever is wrong, the error says what, and never what stands there; no entity is ever looked at."""
    if size < 64 and len(text) > 10_000:
        size = 1 << 12

    with pytest.raises(InputError, match=said) as caught:
        batches(text, size)

    assert "hunter2" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.__context__ is None


def test_a_fault_is_found_at_its_line_and_byte() -> None:
    """The place of a fault is counted from the beginning of the file."""
    with pytest.raises(InputError) as caught:
        batches(b"<a>\n<b/>\n<c></d></a>")

    assert caught.value.place == {"line": "3", "byte": "14"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"<r a='hunter2'><p>x</p></r>", "may stay: r.@a"),
        (b"<r><p>x</p>hunter2</r>", "may stay: r"),
        (b"<r><p>x</p><m>hunter2</m></r>", "may stay: r.m"),
        (b"<r><p>x</p><m><![CDATA[hunter2]]></m></r>", "may stay: r.m"),
        (b"<r><p>x</p></r><!--hunter2-->", "may stay: #comment"),
        (b"<?x hunter2?><r><p>x</p></r>", "may stay: #pi"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("size", SIZES)
def test_outside_of_records_only_what_is_named_stays(text: bytes, said: str, size: int) -> None:
    """What stands around records and was not named stops the run, wherever it is."""
    with pytest.raises(InputError, match=said) as caught:
        batches(text, size, records="p")

    assert "hunter2" not in str(caught.value)


def test_options_that_make_no_sense_are_refused() -> None:
    """An envelope without records, or records by elements of lists, are errors of the job."""
    with pytest.raises(RulesetError, match="envelope"):
        XmlDocument(envelope=("a",)).read(io.BytesIO())
    with pytest.raises(RulesetError, match="records cannot be"):
        XmlDocument(records="a[*]").read(io.BytesIO())


def test_memory_is_bounded_by_the_block_and_records_by_the_limit() -> None:
    """A file of eighty blocks takes the memory of a few; a record, a comment or a tag without end is refused."""
    person = b"<person id='7'><name>Ann Example</name><city>Bonn</city></person>\n"
    file = io.BytesIO(b"<people>" + person * 20_000 + b"</people>")

    tracemalloc.start()
    rows = sum(part.num_rows for part in XmlDocument(records="person", block_bytes=1 << 14).read(file).batches)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert rows == 20_000
    assert peak < 1 << 20 < len(file.getvalue())
    for start in (b"<p><person>", b"<p><!--", b"<p><![CDATA[", b"<p><person a='", b"<p>"):
        more = b"<!--x" * 30_000 if b"CDATA" in start else b"x" * 150_000
        for records in ("person", ""):
            with pytest.raises(InputError, match="longer than"):
                batches(start + more, 1 << 12, records=records, max_record_bytes=1 << 16)


# ---------------------------------------------------------------------------------------------- beside lxml


def walked(text: bytes) -> dict[str, list[str | None]]:
    """Name all values of a document by their paths, as lxml reads them."""
    root = etree.fromstring(text, etree.XMLParser(resolve_entities=False, strip_cdata=False))
    found: dict[str, list[str | None]] = {}
    _walk(root, etree.QName(root).localname, found)
    return found


def _walk(element: Any, at: str, found: dict[str, list[str | None]]) -> None:
    for name, value in element.attrib.items():
        found.setdefault(f"{at}.@{etree.QName(name).localname}", []).append(value if value.strip() else None)
    names = [etree.QName(child).localname for child in element if isinstance(child.tag, str)]
    if not names:
        value = str(element.xpath("string()"))
        found.setdefault(at, []).append(value if value.strip(" \t\r\n") else None)
    else:
        for piece in (element.text, *(child.tail for child in element)):
            if piece and piece.strip(" \t\r\n"):
                found.setdefault(f"{at}.#text[*]", []).append(piece)
    for child in element:
        if isinstance(child.tag, str):
            name = etree.QName(child).localname
            _walk(child, f"{at}.{name}" + ("[*]" if names.count(name) > 1 else ""), found)
        else:
            kind = "#comment[*]" if child.tag is etree.Comment else "#pi[*]"
            found.setdefault(f"{at}.{kind}", []).append(child.text if child.text and child.text.strip() else None)


def seen(records: XmlRecords) -> dict[str, list[str | None]]:
    """Name all values of a document by their paths, as the format presents them; nulls behind the others."""
    fields: set[FieldPath] = set()
    opened: list[FieldPath] = []
    while set(records.fields(opened)) != fields:  # open whatever is there, down to the leaves
        fields = set(records.fields(opened))
        opened = [*opened, *(field.child("below") for field in fields)]
    return {str(field): values for field in fields if (values := select(records, str(field)))}


letters = st.text(st.sampled_from("ab<>&\"' \t\n\u00e9\u4e2d\U0001f600]-"), max_size=6)
tags = st.sampled_from(["a", "b", "c", "p:a", "q"])


@st.composite
def elements(draw: Any, depth: int = 3) -> str:
    """Draw an element, written in some way."""
    name = draw(tags)
    attributes = "".join(
        f"{draw(st.sampled_from([' ', chr(10), '  ']))}{key}{draw(st.sampled_from(['=', ' = ']))}{quoted(draw)}"
        for key in draw(st.lists(st.sampled_from(["k", "l", "m"]), max_size=2, unique=True))
    )
    pieces = draw(st.lists(st.sampled_from(["text", "element", "element", "comment", "cdata"]), max_size=4))
    inner = ""
    for piece in pieces:
        if piece == "text":
            inner += escaped(draw(letters))
        elif piece == "comment":
            inner += "<!--" + draw(letters).replace("-", "") + "-->"
        elif piece == "cdata":
            inner += "<![CDATA[" + draw(letters).replace("]", "") + "]]>"
        elif depth:
            inner += draw(elements(depth - 1))
    end = draw(st.sampled_from(["", " "]))
    return f"<{name}{attributes}{end}/>" if not inner else f"<{name}{attributes}>{inner}</{name}{end}>"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&#x3E;")


def quoted(draw: Any) -> str:
    quote = draw(st.sampled_from(["'", '"']))
    return str(quote + escaped(draw(letters)).replace(quote, "&quot;" if quote == '"' else "&apos;") + quote)


def flat(found: dict[str, list[str | None]]) -> dict[str, Any]:
    """Return what of the values can be compared: CDATA beside text is one text for lxml."""
    return {
        name: "".join(value or "" for value in values).replace(" ", "").replace("\n", "").replace("\t", "")
        if "#text" in name
        else sorted(values, key=str)
        for name, values in found.items()
    }


@settings(max_examples=150, deadline=None)
@given(elements())
def test_values_and_paths_are_those_of_lxml(text: str) -> None:
    """Every document that is drawn has the same values at the same paths, and is copied byte for byte."""
    content = f"<x xmlns:p='urn:p'>{text}</x>".encode()
    (records,) = batches(content)

    expected = flat(walked(content))

    found = flat(seen(records))
    assert found == expected
    assert copied(content) == (1, content)


@settings(max_examples=150, deadline=None)
@given(elements(), letters, st.data())
def test_changed_values_are_read_by_lxml(text: str, new: str, data: Any) -> None:
    """After one field was replaced, lxml reads its new text and all other values as they were."""
    content = f"<x xmlns:p='urn:p'>{text}</x>".encode()
    (records,) = batches(content)
    before = walked(content)
    names = sorted(name for name in before if "#" not in name)
    if not names or not new.strip(" \t\r\n"):
        return
    name = data.draw(st.sampled_from(names))

    changed = records.replace(
        path(name),
        [
            one.with_values(pa.array([new] * len(one.values))) if one.values.type == pa.string() else one
            for one in records.select(path(name))
        ],
    )

    after = walked(changed.to_bytes())
    expected = {**before, name: [None if value is None else new for value in before[name]]}
    assert flat(after) == flat(expected)
    assert seen(changed)[name] == seen(batches(changed.to_bytes())[0])[name]


@pytest.mark.proof
@pytest.mark.parametrize("options", [{}, KEPT], ids=["document", "records"])
def test_damaged_files_are_read_right_or_refused(options: dict[str, Any]) -> None:
    """A mutant is refused by name, or copied byte for byte with the values that lxml reads."""
    for told, text in mutants(PEOPLE, f"xml {bool(options)}"):
        for size in (16, 1 << 20):
            error = read_or_refused(lambda text=text, size=size: batches(text, size, **options), told)  # type: ignore[misc]
            assert error is None or isinstance(error, InputError), told
            if error is None:
                assert copied(text, size, **options)[1] == text, told
        if error is None and not options:
            try:
                expected = flat(walked(text))
            except etree.XMLSyntaxError:  # it knows namespaces: an unknown prefix
                continue
            found = flat(seen(batches(text)[0]))
            assert {name: found.get(name) for name in expected} == expected, told  # and notes beside the root
