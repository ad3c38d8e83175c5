"""What a power cut may take: nothing that COMMIT or the end of a run relies on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash.conftest import Play
from tests.crash.lab import COMMIT, MANIFEST, Lab, Scene
from tests.crash.traps import Trap


@dataclass(slots=True)
class Disk:
    """A disk that has what was synced: the bytes of files, and the names in folders."""

    names: set[str] = field(default_factory=set)  # not on the disk yet
    bytes: set[str] = field(default_factory=set)

    def do(self, op: str, path: str) -> None:
        """Follow one file operation."""
        if op in ("open", "link", "mkdir", "replace"):
            self.names.add(path)
        elif op == "write":
            self.bytes.add(path)
        elif op == "fsync":
            self.bytes.discard(path)
            self.names = {name for name in self.names if os.path.dirname(name) != path}
        elif op in ("unlink", "rmdir"):
            self.names.discard(path)
            self.bytes.discard(path)

    def missing(self, but: str) -> set[str]:
        """Name what a power cut would take now, but for the note that is just being written."""
        return {path for path in self.names | self.bytes if but not in os.path.basename(path)}


@pytest.mark.parametrize("scene", ["new", "over", "place"])
def test_all_that_a_run_relies_on_is_synced_before_it_is_relied_on(
    scene: Scene, lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """Sealed bytes, notes and folders are on the disk before COMMIT, and the published names before the manifest."""
    stage = plays[scene].stage.copied(tmp_path / "stage")
    calls = lab.do(stage.job("run", trap=Trap(str(tmp_path)))).calls

    disk, missing = Disk(), {}
    for call in calls:
        op, _, path = call.partition(" ")
        if op == "link" and path.endswith((COMMIT, MANIFEST)):
            note = os.path.basename(path)
            missing[note] = disk.missing(note)
        disk.do(op, path)

    assert missing == {COMMIT: set(), MANIFEST: set()}
    assert disk.missing("") == set()
