"""The notebook runs from top to bottom, shows what it promises, and is kept without outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

PATH = Path(__file__).parents[1] / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook with the outputs of a run in an empty folder."""
    notebook = nbformat.reads(PATH.read_text("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    folder = tmp_path_factory.mktemp("notebook")
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}})
    return client.execute()


def shown(notebook: Any, form: str) -> list[str]:
    """Return all that the cells show in one form, such as text/html."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output["data"][form] for output in outputs if form in output.get("data", {})]


def test_the_notebook_shows_plan_preview_and_report_as_pages(executed: Any) -> None:
    """Plan, preview and report show themselves as HTML, and the joins survive."""
    pages = shown(executed, "text/html")

    titles = [title for page in pages for title in re.findall("<h1>(.*?)</h1>", page)]
    assert titles == ["dmengine plan", "dmengine preview", "dmengine report"]
    assert "finished: 3 objects, 1,700 records; nothing is left behind" in pages[2]
    assert "'rows before': 2700, 'rows after': 2700, 'addresses in common': 0" in "".join(shown(executed, "text/plain"))


def test_no_output_holds_an_unmasked_value(executed: Any) -> None:
    """A copy of the notebook that is saved with its outputs gives no original away."""
    outputs = json.dumps([cell.get("outputs") for cell in executed.cells])

    assert "@example." in outputs
    assert not re.search(r"corp\.example|call me|customer1\d\d\d", outputs)


def test_the_notebook_is_kept_without_outputs() -> None:
    """What is committed has no outputs, no counts and no state of somebody's editor."""
    notebook = json.loads(PATH.read_text("utf-8"))

    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
