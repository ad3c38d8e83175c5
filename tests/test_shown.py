"""How plans, previews and reports look: text, Markdown, HTML; and what they never show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles
from dmengine.errors import PlanError, StoreError
from dmengine.maskers import CharacterMask, Email, Fpe, Redact
from dmengine.report import Report, unwritable
from dmengine.tables import Document, Table

RULES = dm.Ruleset([dm.Rule("email", Email()), dm.keep("id", because="surrogate key")])


@pytest.fixture
def source(tmp_path: Path) -> LocalFiles:
    """Two files of two people."""
    root = tmp_path / "in"
    root.mkdir()
    (root / "a.csv").write_text("id,email\n1,ann@x.org\n2,\n")
    (root / "b.jsonl").write_text('{"id": 1, "email": "ann@x.org"}\n{"id": 2, "email": null}\n')
    return LocalFiles(root)


# ------------------------------------------------------------------------------------------ tables


def test_text_tables_align_numbers_right_and_the_rest_left() -> None:
    """Numbers have thousands marks; truth values are words, and no numbers."""
    table = Table("T", ("name", "count", "ok"), [("a", 1200, True), ("bbbbb", 3, False)])

    assert table.to_text().splitlines() == ["T", "  name   count  ok", "  a      1,200  yes", "  bbbbb      3  no"]


def test_cells_of_several_lines_stay_in_their_column() -> None:
    """YAML to paste keeps its lines, in text and in HTML."""
    table = Table("T", ("what", "fix"), [("x", "- field: id\n  keep: why"), ("y", "z")])

    assert table.to_text().splitlines()[2:] == ["  x     - field: id", "          keep: why", "  y     z"]
    assert "- field: id\n  keep: why" in table.to_html()
    assert "\n| x | - field: id   keep: why |\n" in table.to_markdown()


def test_long_tables_say_how_much_they_hide() -> None:
    """A table with more rows than its limit is cut, and says so in every form."""
    table = Table("T", ("n",), [(n,) for n in range(1005)], limit=3)

    assert [form.count("... and 1,002 more") for form in (table.to_text(), table.to_markdown(), table.to_html())] == [
        1
    ] * 3
    assert "1,004" not in table.to_text()


def test_what_a_page_shows_cannot_break_out_of_it() -> None:
    """Markup in a name is shown as text, control characters are escaped, and Markdown's bars too."""
    page = Document("<b>", [("<i>", "<script>")], [Table("<u>", ("<a>",), [("<img>\x1b[31m|",)])], "<q>", "bad")

    shown = page.to_page()
    assert [tag for tag in ("<b>", "<i>", "<script>", "<u>", "<a>", "<img>", "<q>") if tag in shown] == []
    assert "\x1b" not in shown + page.to_text() + page.to_markdown()
    assert "\\x1b[31m\\|" in page.to_markdown()


# ------------------------------------------------------------------------------------------ previews


def test_a_preview_shows_shapes_beside_masked_values(source: LocalFiles, key: dm.Key) -> None:
    """For each record and masked field: the mask, the shape of the original, the masked value; null is null."""
    preview = dm.preview(source, RULES, key, rows=2)

    rows = preview.to_dict()["a.csv"]["rows"]
    assert [row[:4] for row in rows] == [["1", "email", "email", "aaa@a.aaa"], ["2", "email", "email", "null"]]
    assert rows[0][4].split("@")[1].startswith("example.")
    assert "ann@x.org" not in str(preview) + preview._repr_html_() + json.dumps(preview.to_dict())


def test_a_preview_never_shows_an_original(source: LocalFiles, key: dm.Key) -> None:
    """A value that a condition keeps, or that a mask leaves as it was, is not shown."""
    rules = dm.Ruleset([
        dm.Rule("email", Email(), when=dm.field("id") == "7", otherwise=dm.keep(because="the example is about it")),
        dm.keep("id", because="surrogate key"),
    ])  # fmt: skip
    same = dm.Ruleset([dm.Rule("email", dm.masker(_same)), dm.keep("id", because="surrogate key")])

    shown = [str(dm.preview(source, chosen, key)) for chosen in (rules, same)]

    assert [text.count("(as it was)") for text in shown] == [2, 2]
    assert "ann@x.org" not in "".join(shown)


def _same(text: str) -> str:
    return text


def test_long_values_are_cut_in_a_preview(tmp_path: Path, key: dm.Key) -> None:
    """A long text is shown by its beginning."""
    (tmp_path / "a.csv").write_text(f"note\n{'word ' * 100}\n")

    preview = dm.preview(LocalFiles(tmp_path), dm.Ruleset([dm.Rule("note", CharacterMask())]), key)

    [[*_, shape, masked]] = preview.to_dict()["a.csv"]["rows"]
    assert (len(shape), len(masked)) == (40, 40)
    assert shape.endswith("...")


def test_a_preview_says_how_many_datasets_it_hides(source: LocalFiles, key: dm.Key) -> None:
    """Datasets beyond the limit are counted, not passed over."""
    assert str(dm.preview(source, RULES, key, datasets=1)).endswith("datasets that are not shown: 1")
    assert "not shown" not in str(dm.preview(source, RULES, key))


@pytest.mark.parametrize("limits", [{"rows": 0}, {"rows": -1}, {"datasets": 0}])
def test_a_preview_of_nothing_is_refused(source: LocalFiles, key: dm.Key, limits: dict[str, int]) -> None:
    """A limit below one is a mistake, and is told as one."""
    with pytest.raises(PlanError, match="nothing to preview"):
        dm.preview(source, RULES, key, **limits)


# ------------------------------------------------------------------------------------------ plans and reports


def test_a_plan_shows_what_is_masked_kept_and_found(source: LocalFiles, tmp_path: Path, key: dm.Key) -> None:
    """Each field with its mask, domain and promises; each kept one with its reason."""
    view = dm.plan(source, LocalFiles(tmp_path / "out"), RULES, key)

    text = str(view)
    assert "email:email  yes         unknown     no" in text
    assert "keep    surrogate key" in text
    assert text.endswith("nothing stops this run")
    assert 'class="verdict good"' in view._repr_html_()


def test_a_plan_shows_a_changed_type(source: LocalFiles, tmp_path: Path, key: dm.Key) -> None:
    """Where a mask gives another type, both are shown."""
    view = dm.plan(source, LocalFiles(tmp_path / "out"), RULES, key)
    field = next(field for field in view.plan.fields if field.action == "mask")

    changed = replace(view, plan=replace(view.plan, fields=(replace(field, type_in="int64", type_out="string"),)))

    assert "int64 -> string" in str(changed)
    assert "->" not in str(view)


@pytest.mark.parametrize("suffix", [".html", ".json", ".md", ".txt"])
def test_plans_and_reports_are_saved_by_the_name_of_the_file(
    source: LocalFiles, tmp_path: Path, key: dm.Key, suffix: str
) -> None:
    """`save` writes the form that the file's name asks for, for a plan as for a report."""
    target = LocalFiles(tmp_path / "out")
    view, report = dm.plan(source, target, RULES, key), dm.run(source, target, RULES, key)

    view.save(tmp_path / f"plan{suffix}")
    report.save(str(tmp_path / f"report{suffix}"))

    plan, whole = ((tmp_path / f"{name}{suffix}").read_text("utf-8") for name in ("plan", "report"))
    forms = {
        ".html": (view.to_html(), report.to_html()),
        ".json": (json.dumps(view.to_dict(), indent=2) + "\n", report.to_json()),
        ".md": (view.to_markdown(), report.to_markdown()),
        ".txt": (f"{view}\n", f"{report}\n"),
    }
    assert (plan, whole) == forms[suffix]


@pytest.mark.parametrize("name", ["report.pdf", "report", "missing/report.html", "folder.html"])
def test_a_report_that_cannot_be_saved_is_an_error_with_its_reason(
    source: LocalFiles, tmp_path: Path, key: dm.Key, name: str
) -> None:
    """An unknown form, a missing folder and a name that is taken are each told."""
    (tmp_path / "folder.html").mkdir()
    report = dm.run(source, LocalFiles(tmp_path / "out"), RULES, key)

    with pytest.raises(StoreError, match="cannot be written: "):
        report.save(tmp_path / name)


def test_a_report_with_leftovers_says_so_first() -> None:
    """What is left behind is in the verdict, which is then a bad one."""
    report = Report("r", "finished", "in", "out", "f" * 64, "k", 1.0, leftovers=("out/left.tmp",))

    assert str(report).endswith("finished, but something is left behind: 1 listed above")
    assert 'class="verdict bad"' in report.to_html()
    assert "out/left.tmp" in report.to_markdown()


def test_names_of_reports_are_checked_beforehand(tmp_path: Path) -> None:
    """What can be known before a run is told before it."""
    assert unwritable(tmp_path / "r.html") == ""
    assert "no such folder" in unwritable(tmp_path / "missing" / "r.html")
    assert "ends in none of" in unwritable(tmp_path / "r.docx")


def test_reversible_masks_are_shown_as_such(source: LocalFiles, tmp_path: Path, key: dm.Key) -> None:
    """Whoever reads a plan sees which masks the key can undo."""
    rules = dm.Ruleset([dm.Rule("email", Redact()), dm.Rule("id", Fpe(), domain="person.id")])

    text = str(dm.plan(source, LocalFiles(tmp_path / "out"), rules, key))

    assert "person.id  yes         injective   yes" in text
