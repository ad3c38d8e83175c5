"""The project itself: public names, import cost, layers, linters, packaging."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import dmengine

ROOT = Path(__file__).parents[1]


def run(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=600, check=False
    )


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    """`__all__` is sorted, true, and each name can be read about."""
    assert dmengine.__all__ == sorted(dmengine.__all__)
    for name in dmengine.__all__:
        assert (getattr(dmengine, name).__doc__ or "").strip(), name


def test_no_public_name_is_a_submodule() -> None:
    """Importing a submodule can never shadow a public function."""
    submodules = {module.name for module in pkgutil.iter_modules(dmengine.__path__)}

    assert not submodules & set(dmengine.__all__)


def test_importing_dmengine_loads_no_heavy_library() -> None:
    """`import dmengine` loads neither Arrow nor pandas nor any plugin, and no AWS library exists in it."""
    code = "import sys, json, dmengine; print(json.dumps(sorted(sys.modules)))"

    loaded = set(json.loads(run(sys.executable, "-c", code).stdout))

    assert not loaded & {"pyarrow", "numpy", "pandas", "boto3", "pydantic", "dmengine_connectors", "dmengine_maskers"}


def test_every_module_imports_alone() -> None:
    """No module needs another to have been imported before it."""
    names = [m.name for m in pkgutil.walk_packages(dmengine.__path__, "dmengine.") if "testing" not in m.name]
    code = "import sys, importlib; importlib.import_module(sys.argv[1])"

    failed = [name for name in ("dmengine.spi", "dmengine.rules", "dmengine.engine", "dmengine.running")
              if run(sys.executable, "-W", "error", "-c", code, name).returncode]  # fmt: skip

    assert failed == []
    assert all(importlib.import_module(name) for name in names)


def test_every_entry_point_loads() -> None:
    """The built-in plugins come by the same door as anyone's, and the door opens."""
    groups = ("maskers", "connectors", "formats", "stores", "keys")

    loaded = [entry.load() for group in groups for entry in entry_points(group=f"dmengine.{group}")]

    assert len(loaded) >= 19


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",)],
    ids=lambda command: command[0] + (command[1] if len(command) > 1 else ""),
)
def test_linters_are_content(command: tuple[str, ...]) -> None:
    """ruff, mypy --strict and the import contracts are part of the tests."""
    result = run(tool(command[0]), *command[1:])

    assert result.returncode == 0, result.stdout + result.stderr


def test_the_wheel_holds_what_git_tracks(tmp_path: Path) -> None:
    """Every tracked file of the three packages is in the wheel, and nothing else."""
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT))
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    packages = {"dmengine": "dmengine", "connectors/dmengine_connectors": "dmengine_connectors",
                "maskers/dmengine_maskers": "dmengine_maskers"}  # fmt: skip
    listed = run("git", "ls-files", *packages)
    tracked = {
        name.replace(folder, package, 1)
        for folder, package in packages.items()
        for name in listed.stdout.split()
        if name.startswith(folder + "/")
    }

    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert held == tracked


def test_a_hostile_folder_cannot_shadow_us(tmp_path: Path) -> None:
    """A user's own connectors.py and maskers.py are never taken for ours."""
    for name in ("connectors.py", "maskers.py"):
        (tmp_path / name).write_text("raise SystemExit('taken')")
    code = "import dmengine.connectors, dmengine.maskers; print(dmengine.maskers.Redact.__module__)"

    result = run(sys.executable, "-c", code, cwd=tmp_path)

    assert result.stdout.strip() == "dmengine_maskers.redact", result.stderr


def test_no_file_has_two_ideas() -> None:
    """Source files stay at about 400 lines; what grows past that is split."""
    listed = run("git", "ls-files", "dmengine", "connectors", "maskers").stdout.split()

    long = [n for n in listed if n.endswith(".py") and len((ROOT / n).read_text().splitlines()) > 430]

    assert long == []
