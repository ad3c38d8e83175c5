"""The documentation is true: every example runs, every link leads somewhere, every page is on the site."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, apart, pages, parse

_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
_OUTSIDE = re.compile(r"^(https?:|mailto:)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_example_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page shows is what happens, from its first block to its last, however wide the terminal is."""
    monkeypatch.setenv("COLUMNS", "120")
    examples = list(parse(page).examples())
    blocks = re.findall(r"^```(?:python|yaml|console)$", page.read_text("utf-8"), re.MULTILINE)

    with apart(tmp_path):
        for example in examples:
            example.evaluate()

    assert len(examples) >= len(blocks)


def test_an_example_that_is_wrong_is_found(tmp_path: Path) -> None:
    """A block whose output differs, a ruleset with a typo and an unknown command each fail their page."""
    wrong = {
        "doctest.md": "```python\n>>> 1 + 1\n3\n\n```\n",
        "rules.md": "```yaml\nrules:\n  - {field: id, kep: why}\n```\n",
        "console.md": "```console\n$ rm -rf in\n```\n",
        "output.md": "```console\n$ dmengine --version\ndmengine 99\n```\n",
    }
    for name, text in wrong.items():
        (tmp_path / name).write_text(text)
        [example] = parse(tmp_path / name).examples()

        with apart(tmp_path), pytest.raises(Exception, match=r"Expected|there is no kep|rm is not run|dmengine 99"):
            example.evaluate()


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    """A link is outside, or there is a file at its end."""
    links = {link for link, _ in _LINK.findall(page.read_text("utf-8")) if not _OUTSIDE.match(link)}

    missing = [link for link in sorted(links) if not (page.parent / link).exists()]

    assert missing == []


def test_every_page_is_on_the_site() -> None:
    """The site's menu names each page once, and no page that is not there."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    beside = {"write-a-masker.md", "write-a-connector.md"}  # see docs/hooks.py
    listed = sorted(_leaves(site["nav"]))

    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}

    assert listed == sorted(there | beside)


def test_the_site_builds(tmp_path: Path) -> None:
    """The site is built without a warning: every link between its pages, and every anchor, is there."""
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]

    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / "site" / "write-a-masker.html").is_file()


def _leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from _leaves(entry)
