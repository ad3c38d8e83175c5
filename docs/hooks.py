"""Puts the pages that lie beside the code on the site, under links that work in both places."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PAGES = {"maskers/README.md": "write-a-masker.md", "connectors/README.md": "write-a-connector.md"}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages."""
    for source, name in PAGES.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to them, which lead out of the folder of the documentation, at where they are on the site."""
    up = "../" * page.file.src_uri.count("/")
    for source, name in PAGES.items():
        markdown = re.sub(rf"\]\((\.\./)+{re.escape(source)}", f"]({up}{name}", markdown)
    return markdown
