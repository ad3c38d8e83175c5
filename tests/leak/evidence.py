"""All that a run leaves and says, as named bytes to search."""

from __future__ import annotations

import gc
import json
import logging
import pickle
import traceback
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from dmengine.logs import JsonLines
from dmengine.planview import PlanView
from dmengine.previewing import Preview
from dmengine.report import Report
from tests.leak.arrow_views import buffers_of
from tests.leak.canaries import Canaries

Evidence = Iterable[tuple[str, bytes]]
_DEEP = 12
_ARROW = (pa.Array, pa.ChunkedArray, pa.RecordBatch, pa.Table, pa.Scalar)
# What an error leads to, but does not hold: the frames that it went through, and the code.
_NOT_HELD = (types.TracebackType, types.FrameType, types.ModuleType, types.FunctionType, types.CodeType, type)


def leaks(canaries: Canaries, evidence: Evidence, *, depth: int = 2) -> list[str]:
    """Name the canaries in the evidence, with the piece of it that each was found in."""
    return [f"{name}: {hit}" for name, content in evidence for hit in canaries.found(content, depth=depth)]


def of_files(*folders: Path) -> Evidence:
    """Yield the name and content of every file and folder."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            yield f"name of {path}", str(path).encode("utf-8", "surrogateescape")
            if path.is_file():
                yield str(path), path.read_bytes()


def of_report(report: Report) -> Evidence:
    """Yield a report in all its forms."""
    yield "report", "\0".join([str(report), repr(report), report.to_markdown(), report.to_html()]).encode()
    yield "report as JSON", json.dumps(report.to_dict()).encode() + report.to_json().encode()
    yield "report in a notebook", report._repr_html_().encode()


def of_plan(plan: PlanView) -> Evidence:
    """Yield a plan in all its forms."""
    yield "plan", "\0".join([str(plan), repr(plan), plan._repr_html_(), json.dumps(plan.to_dict())]).encode()


def of_preview(preview: Preview) -> Evidence:
    """Yield a preview in all its forms."""
    shown = [str(preview), repr(preview), preview._repr_html_(), json.dumps(preview.to_dict())]
    yield "preview", "\0".join(shown).encode()


def of_table(table: pa.Table) -> Evidence:
    """Yield the memory of an Arrow table."""
    yield from buffers_of(table)


# ------------------------------------------------------------------------------------------ logs


class Log(logging.Handler):
    """Keeps all that is logged, in every form."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message, the JSON line, and the fields."""
        plain = logging.Formatter("%(name)s %(message)s").format(record)
        self.lines += [plain, JsonLines().format(record), repr(vars(record))]

    def evidence(self) -> Evidence:
        """Yield all of it."""
        yield "log", "\n".join(self.lines).encode()


@contextmanager
def listening() -> Iterator[Log]:
    """Hear every logger at DEBUG, each one that there is, and warnings too."""
    log, root = Log(), logging.getLogger()
    names = {"dmengine", "py.warnings", "concurrent.futures", "boto3", "botocore", "urllib3", *root.manager.loggerDict}
    loggers = [root, *(logging.getLogger(name) for name in sorted(names))]
    before = [logger.level for logger in loggers]
    root.addHandler(log)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        root.removeHandler(log)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


# ------------------------------------------------------------------------------------------ errors


def of_error(error: BaseException) -> Evidence:
    """Yield all that an error and its chain say or hold, hidden context included."""
    yield "traceback", "".join(traceback.format_exception(error)).encode("utf-8", "replace")
    for number, link in enumerate(_chain(error)):
        said = [str(link), repr(link), repr(link.args), repr(vars(link)), *getattr(link, "__notes__", ())]
        yield f"error {number}", "\n".join(said).encode("utf-8", "replace")
        yield f"what error {number} holds", b"\n".join(_held_by(link))
    yield "pickled error", pickle.dumps(error)


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is not None and not any(link is other for other in found):
            found.append(link)
            todo += [link.__cause__, link.__context__]
    return found


def _held_by(thing: Any) -> Iterator[bytes]:
    """Yield text, bytes and Arrow memory that can be reached from an object without going through frames."""
    seen: set[int] = set()
    todo = [(thing, 0)]
    while todo:
        here, depth = todo.pop()
        if id(here) in seen or isinstance(here, _NOT_HELD):
            continue
        seen.add(id(here))
        if isinstance(here, str):
            yield here.encode("utf-8", "surrogatepass")
        elif isinstance(here, (bytes, bytearray, memoryview)):
            yield bytes(here)
        elif isinstance(here, (int, float, *_ARROW)):
            yield repr(here).encode()
        elif depth < _DEEP:
            todo += [(inner, depth + 1) for inner in gc.get_referents(here)]
