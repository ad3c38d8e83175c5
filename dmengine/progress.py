"""A progress bar on long work: on a terminal and in notebooks, and quiet everywhere else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Progress:
    """Counts records and parts of a run, from any thread."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._lock = threading.Lock()
        self._done = 0

    def rows(self, count: int) -> None:
        """Say that records were masked."""
        with self._lock:
            self._bar.update(count)

    def part(self, parts: int) -> None:
        """Say that one more of `parts` parts is sealed."""
        with self._lock:
            self._done += 1
            self._bar.set_postfix_str(f"{self._done}/{parts} parts", refresh=False)


@contextmanager
def progress_bar(wanted: bool | None) -> Iterator[Progress]:
    """Show a bar of records while a run works. None: only where a person is likely to look at it."""
    shown = _someone_looks() if wanted is None else wanted
    from tqdm.std import tqdm

    bar_class: Any = tqdm
    if shown and _in_notebook():
        from tqdm.auto import tqdm as notebook_tqdm

        bar_class = notebook_tqdm
    looks = {"unit": " rows", "unit_scale": True, "desc": "masking", "leave": False, "mininterval": 0.2}
    with bar_class(disable=not shown, **looks) as bar:
        yield Progress(bar)


def _someone_looks() -> bool:
    return sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config
