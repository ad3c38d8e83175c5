"""Runs the examples of a page of documentation: Python, doctests, rulesets, job files and shell commands."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.typing import Parser

from dmengine.cli import main
from dmengine.connectionfile import load_connection_file
from dmengine.jobfile import load_job
from dmengine.rulefile import load_ruleset
from dmengine.yamlfile import load_document

ROOT: Final = Path(__file__).parents[2]
_FLAGS: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_NAMED: Final = re.compile(r"# (?P<name>[\w./-]+\.yaml)\b")


def pages() -> list[Path]:
    """List every page of documentation that the project has."""
    beside = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "maskers/README.md", "connectors/README.md")]
    return beside + sorted((ROOT / "docs").rglob("*.md"))


def parse(page: Path) -> Document:
    """Find the examples of a page; they share one namespace, in which `PAGE` is the page's path."""
    parsers: list[Parser] = [
        PythonCodeBlockParser(doctest_optionflags=_FLAGS),
        CodeBlockParser("yaml", check_yaml),
        CodeBlockParser("console", run_console),
        SkipParser(),
    ]
    document = Sybil(parsers=parsers).parse(page)
    document.namespace["PAGE"] = page
    return document


def check_yaml(example: Example) -> None:
    """Read a YAML block as what it is; one that begins with `# name.yaml` is also written to that file."""
    text = str(example.parsed)
    name = _NAMED.match(text)
    path = Path(name["name"] if name else "example.yaml")
    path.write_text(text, encoding="utf-8")
    data = load_document(text, path.name).data
    if isinstance(data, list):  # rules without the key that they stand under
        load_ruleset("rules:\n" + text)
    elif "source" in data:
        load_job(path)
    elif data.keys() & {"bucket", "db_type"}:
        load_connection_file(path)
    elif data.keys() & {"rules", "datasets"}:
        load_ruleset(path)
    else:
        raise AssertionError(
            "neither a ruleset nor a job file nor a connection; skip it with a comment if that is meant"
        )


def run_console(example: Example) -> None:
    """Run each `$ dmengine ...` of a block, and compare what it shows where the page shows something."""
    commands = re.split(r"^\$ ", str(example.parsed), flags=re.MULTILINE)
    assert commands[0] == "", "a console block begins with $"
    code = 0
    for command in commands[1:]:
        line, _, expected = command.partition("\n")
        if line == "echo $?":
            shown = f"{code}\n"
        else:
            code, shown = run_command(line)
        if expected.strip():
            checker = doctest.OutputChecker()
            wanted = doctest.Example(line, expected)
            assert checker.check_output(expected, shown, _FLAGS), checker.output_difference(wanted, shown, _FLAGS)
        else:
            assert code == 0, shown


def run_command(line: str) -> tuple[int, str]:
    """Run one `dmengine` command in this process; return its exit code and all that it wrote."""
    words = shlex.split(line, comments=True)
    assert words[0] == "dmengine", f"{words[0]} is not run here; skip it with a comment if that is meant"
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = main(words[1:])
        except SystemExit as end:  # argparse: --help and wrong usage
            code = int(end.code or 0)
    return code, out.getvalue()


@contextlib.contextmanager
def apart(folder: Path) -> Iterator[None]:
    """Work in a folder, and put folder and environment back afterwards."""
    there, environment = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(there)
        os.environ.clear()
        os.environ.update(environment)
