"""The journal: small durable notes, one owner, one COMMIT."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dmengine.errors import RunError, StoreError
from dmengine.journal import Journal, manifests, new_run_id, unfinished
from dmengine_connectors.stores.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "journals"))


def test_a_note_is_written_once_and_read_anywhere(store: LocalStore) -> None:
    """The same note twice is fine, another one of its name is not; a pickled journal reads it too."""
    journal = Journal(store, "run")
    journal.note("part/a", "sealed", "1")
    journal.note("part/a", "sealed", "1")

    with pytest.raises(RunError, match="another note"):
        journal.note("part/a", "sealed", "2")

    assert pickle.loads(pickle.dumps(journal)).get("part/a", "sealed") == "1"
    assert journal.get("part/b", "sealed") is None


def test_only_one_of_many_creates_an_object(store: LocalStore) -> None:
    """Create-if-absent is atomic: of many who try at once, one wins, and the object is whole."""
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda i: store.create("lock", str(i).encode() * 1000), range(64)))

    assert sum(won) == 1
    assert store.read("lock") == str(won.index(True)).encode() * 1000
    assert store.names() == ["lock"]


def test_a_run_is_unfinished_until_its_manifest(store: LocalStore) -> None:
    """From its first note to its manifest a run is found; afterwards only the manifest is left."""
    journal = Journal(store, "r1")
    journal.begin({"source": "a"})
    journal.note("p", "sealed", "x")
    before = [found.run_id for found in unfinished(store)]

    journal.finish({"rows": 3})

    assert before == ["r1"]
    assert unfinished(store) == []
    assert manifests(store) == [{"rows": 3}]
    assert store.names() == ["r1/manifest.json"]


def test_a_run_that_died_while_it_was_closed_is_still_found(store: LocalStore) -> None:
    """Notes beside a manifest mean that the clean-up was cut off."""
    journal = Journal(store, "r1")
    journal.begin({"source": "a"})
    store.create("r1/manifest.json", b"{}")

    assert [found.run_id for found in unfinished(store)] == ["r1"]


def test_the_owner_is_refused_to_others_while_it_lives(store: LocalStore) -> None:
    """A living process of this host keeps its run; a dead one's is taken over with a higher epoch."""
    journal = Journal(store, "r1")
    journal.begin({"source": "a"})
    code = (
        "import sys; from dmengine.journal import Journal; "
        "from dmengine_connectors.stores.local import LocalStore; "
        "print(Journal(LocalStore(sys.argv[1]), 'r1').claim(), flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, store.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "1\n"

    with pytest.raises(RunError, match=f"driven by process {other.pid}"):
        journal.claim()
    other.kill()
    other.communicate()

    assert journal.claim() == 2
    journal.check_owner(2)
    with pytest.raises(RunError, match="taken over"):
        journal.check_owner(1)


def test_forgetting_leaves_no_folder(store: LocalStore) -> None:
    """When all notes are gone, so are their folders."""
    journal = Journal(store, new_run_id())
    journal.begin({"source": "a"})
    journal.note("p", "sealed", "x")

    journal.forget()

    assert not os.path.exists(store.root)


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder should be is a StoreError, with the system's reason."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="cannot use run/a"):
        LocalStore(str(tmp_path / "file" / "journals")).create("run/a", b"1")
