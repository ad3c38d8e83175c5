"""Promises of the registry: plugins are found by name, one of each, and imported only when asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dmengine import registry
from dmengine.errors import PluginError
from dmengine.keyring import load_from_file

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a distribution with plugins, for one test."""

    def put(name: str, entries: str, *, code: str = "", requires: tuple[str, ...] = ()) -> None:
        place = tmp_path / name
        facts = place / f"{name}-1.0.dist-info"
        facts.mkdir(parents=True)
        lines = [f"Requires-Dist: {line}" for line in requires]
        (facts / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *lines]))
        (facts / "entry_points.txt").write_text(entries)
        (place / f"{name}_code.py").write_text(code)
        monkeypatch.syspath_prepend(str(place))
        registry._entries.cache_clear()

    before = set(sys.modules)
    yield put
    monkeypatch.undo()
    registry._entries.cache_clear()
    for module in set(sys.modules) - before:
        if module.endswith("_code"):
            del sys.modules[module]


def test_built_in_plugins_use_entry_points() -> None:
    """What dmengine brings along is found by name like anybody's plugin."""
    assert registry.load("dmengine.keys", "file") is load_from_file
    assert {"env", "file"} <= set(registry.names("dmengine.keys"))


def test_foreign_plugins_are_found(install: Install) -> None:
    """A plugin of an installed distribution is listed and loaded, beside the built-in ones."""
    install("vault", "[dmengine.keys]\nvault = vault_code:Loader.load\n", code="class Loader:\n    load = len\n")

    assert {"env", "vault"} <= set(registry.names("dmengine.keys"))
    assert registry.load("dmengine.keys", "vault") is len


@pytest.mark.parametrize(("wrong", "meant"), [("fiel", "file"), ("File", "file"), ("en", "env")])
def test_unknown_names_are_refused_with_a_suggestion(wrong: str, meant: str) -> None:
    """A misspelt name is an error that says what was meant and what is installed."""
    with pytest.raises(PluginError, match=f"no key source '{wrong}'") as caught:
        registry.load("dmengine.keys", wrong)

    assert f"did you mean {meant}?" in caught.value.hint
    assert "env, file" in caught.value.hint


def test_names_like_no_other_get_no_guess() -> None:
    """Where no name is close, none is suggested."""
    with pytest.raises(PluginError) as caught:
        registry.load("dmengine.keys", "qqqqqq")

    assert "did you mean" not in caught.value.hint


def test_unknown_groups_are_refused() -> None:
    """A group that dmengine does not have is an error, not an empty list."""
    with pytest.raises(PluginError, match=r"dmengine\.masks is not a group"):
        registry.names("dmengine.masks")


def test_two_plugins_of_one_name_are_refused(install: Install) -> None:
    """A name that two distributions claim loads neither, and both are named."""
    install("one", "[dmengine.keys]\nfile = one_code:load\n")
    install("two", "[dmengine.keys]\nfile = two_code:load\n")

    with pytest.raises(PluginError, match="more than once, by dmengine, one, two"):
        registry.load("dmengine.keys", "file")
    assert registry.load("dmengine.keys", "env")


def test_a_missing_extra_is_named(install: Install) -> None:
    """A plugin whose optional library is not installed says which extra brings it."""
    install(
        "lake",
        "[dmengine.formats]\nlake = lake_code:Lake\n",
        code="import absent_lake_files.reader\n",
        requires=("numpy>=1", 'Absent.Lake_Files>=2 ; python_version > "3" and extra == "lakes"'),
    )

    with pytest.raises(PluginError, match="format 'lake' of lake cannot be loaded: absent_lake_files") as caught:
        registry.load("dmengine.formats", "lake")

    assert caught.value.hint == "pip install 'lake[lakes]'"


def test_a_missing_module_is_named(install: Install) -> None:
    """A plugin that needs a module nobody declared names it, and the distribution that needs it."""
    install("bare", "[dmengine.stores]\nbare = bare_code:Bare\n", code="import absent_module\n")

    with pytest.raises(PluginError, match="store 'bare' of bare cannot be loaded: absent_module") as caught:
        registry.load("dmengine.stores", "bare")

    assert "which bare needs" in caught.value.hint


@pytest.mark.parametrize("target", ["torn_code:Gone", "torn_code.gone:Gone", "torn_code:Gone.deeper"])
def test_a_torn_installation_is_named(install: Install, target: str) -> None:
    """A plugin whose own code is not there says to reinstall its distribution."""
    install("torn", f"[dmengine.connectors]\ntorn = {target}\n")

    with pytest.raises(PluginError, match=r"connector 'torn' of torn cannot be loaded: .*[Gg]one") as caught:
        registry.load("dmengine.connectors", "torn")

    assert "reinstall torn" in caught.value.hint


def test_listing_imports_nothing() -> None:
    """Listing every group imports no plugin, and neither does importing the registry."""
    program = (
        "import sys\nfrom dmengine import registry\n"
        "for group in registry.GROUPS: registry.names(group)\n"
        "print(sorted(name for name in sys.modules if 'dmengine' in name or name == 'pyarrow'))"
    )

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "['dmengine', 'dmengine.errors', 'dmengine.registry']"
