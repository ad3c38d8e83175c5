"""What the crash proofs share: a server that forks children, and the scenes with their ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.lab import Lab, Scene, Stage
from tests.crash.traps import Trap


@dataclass(frozen=True, slots=True)
class Play:
    """A scene with what its target shows before a run and after one that nothing disturbed."""

    scene: Scene
    stage: Stage
    before: dict[str, str]
    final: dict[str, str]
    calls: tuple[str, ...]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return the server of children."""
    made = Lab(tmp_path_factory.mktemp("results"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def plays(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[Scene, Play]:
    """Return each scene, run once to its end."""
    return {scene: _play(scene, lab, tmp_path_factory.mktemp(scene)) for scene in ("new", "over", "place")}


def _play(scene: Scene, lab: Lab, folder: Path) -> Play:
    stage = Stage.set_up(folder / "start", scene)
    undisturbed = stage.copied(folder / "end")
    before = undisturbed.shown()
    outcome = lab.do(undisturbed.job("run", trap=Trap(str(undisturbed.target))))
    assert outcome.error == "", outcome.traceback
    return Play(scene, stage, before, undisturbed.shown(), outcome.calls)
