"""Commands that plugins bring: listed and run like the engine's own, and never in their way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dmengine import registry
from dmengine.cli import main

COUNT = """
from pathlib import Path

class Count:
    about = "say how long a file is"
    def add_options(self, parser):
        parser.add_argument("file")
    def run(self, options, load_job):
        print(len(Path(options.file).read_text()))
        return 4
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a command that works, one that cannot be imported, and one with the name of the engine's own."""
    facts = tmp_path / "counting-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    entries = "count = counting_code:Count\nlost = counting_code:Lost\nmask = counting_code:Count\n"
    (facts / "entry_points.txt").write_text(f"[dmengine.commands]\n{entries}")
    (tmp_path / "counting_code.py").write_text(COUNT)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._entries.cache_clear()
    yield
    monkeypatch.undo()
    registry._entries.cache_clear()


@pytest.mark.usefixtures("plugins")
def test_a_command_of_a_plugin_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It takes its own options, and its exit code is that of `dmengine`."""
    (tmp_path / "file").write_text("four")

    assert main(["count", str(tmp_path / "file")]) == 4
    assert capsys.readouterr().out == "4\n"


@pytest.mark.usefixtures("plugins")
def test_a_command_that_cannot_be_loaded_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    """`dmengine --help` still works; the broken command itself says what is wrong with it."""
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out

    assert main(["lost"]) == 2
    assert "say how long a file is" in listed
    assert "lost" in capsys.readouterr().err


@pytest.mark.usefixtures("plugins")
def test_the_engines_own_commands_stay(capsys: pytest.CaptureFixture[str]) -> None:
    """A plugin that calls its command `mask` does not get in the way of `dmengine mask`."""
    assert main(["mask", "no-such-job.yaml"]) == 2

    assert "no-such-job.yaml" in capsys.readouterr().err
