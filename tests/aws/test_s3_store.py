"""The store of journals in a bucket keeps the promises that a journal is built on."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from dmengine.connectors import S3Store, SessionFactory
from dmengine.errors import StoreError
from dmengine.journal import Journal, unfinished
from tests.aws.s3_lab import session_of_a
from tests.aws.standins.accounts import ACCOUNT_B, DOCUMENTED_RIGHTS
from tests.aws.standins.contents import objects
from tests.aws.standins.faults import Fates, Fault
from tests.aws.standins.world import EXTERNAL_ID, ROLE_B, World

BUCKET = "bucket-of-b"


@pytest.fixture
def session(world: World) -> SessionFactory:
    """Return B's role, assumed from A."""
    return session_of_a(world).assume(ROLE_B, external_id=EXTERNAL_ID)


@pytest.fixture
def store(world: World, session: SessionFactory) -> S3Store:
    """Return a store in an empty bucket of B's."""
    world.make_bucket(ACCOUNT_B, BUCKET)
    return S3Store(f"s3://{BUCKET}/out/_dmengine/", session)


def test_an_object_is_created_once(store: S3Store) -> None:
    """A second `create` of the same name changes nothing and says so."""
    answers = store.create("run/a.json", b"1"), store.create("run/a.json", b"2")

    assert answers == (True, False)
    assert store.read("run/a.json") == b"1"


def test_of_many_that_create_one_name_one_wins(store: S3Store) -> None:
    """Among threads that create the same name at once, exactly one is told that it did."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: store.create("lock", b"%d" % n), range(8)))

    assert sum(answers) == 1
    assert store.read("lock") == b"%d" % answers.index(True)


def test_names_are_listed_below_the_prefix_alone(store: S3Store, world: World) -> None:
    """Other objects of the bucket are not seen, and names of any Unicode come back as they were given."""
    names = sorted(["run/a b+c%20.json", "run/größe/🎉.json", "other/x.json"])
    for name in names:
        store.create(name, b"{}")
    world.truth(ACCOUNT_B).put_object(Bucket=BUCKET, Key="out/data.csv", Body=b"id\n")

    assert store.names() == names
    assert store.names("run/") == names[1:]


def test_an_absent_object_reads_as_none_and_deletes_in_silence(store: S3Store) -> None:
    """What is not there is no error."""
    store.delete("nothing.json")

    assert store.read("nothing.json") is None
    assert store.names() == []


def test_without_the_right_to_delete_an_object_is_emptied(store: S3Store, world: World) -> None:
    """Under the documented policy, which has no DeleteObject, a deleted note is as good as gone."""
    world.accounts.rights = DOCUMENTED_RIGHTS
    store.create("run/a.json", b"1")

    store.delete("run/a.json")

    assert store.read("run/a.json") is None
    assert store.names() == []
    assert [one.body for one in objects(world.truth(ACCOUNT_B), BUCKET).objects.values()] == [b""]
    assert store.create("run/a.json", b"2")
    assert store.read("run/a.json") == b"2"
    assert not store.create("run/a.json", b"3")


def test_answers_that_break_off_or_get_lost_do_no_harm(store: S3Store, world: World, no_pauses: None) -> None:
    """Throttled, reset and cut answers end in the same objects."""
    for number in range(20):
        world.proxy.forget()
        world.proxy.fates = Fates(number, Fault.storm(0.3, ("slow_down", "reset_before", "cut")))
        assert store.create(f"{number}.json", b"body of %d" % number)
        assert store.read(f"{number}.json") == b"body of %d" % number
    world.proxy.forget()

    assert len(store.names()) == 20


def test_a_journal_lives_in_a_bucket(store: S3Store) -> None:
    """A run is begun, claimed, noted, committed and finished; what stays is its manifest."""
    journal = Journal(store, "20260101T000000-abcdef")
    journal.begin({"source": "x"})
    epoch = journal.claim()
    journal.note("part", "sealed", "{}")
    journal.commit({"parts": ["part"]})

    found = [run.run_id for run in unfinished(store)]
    again = pickle.loads(pickle.dumps(journal.store))
    owned = journal.owned(epoch)
    journal.finish({"outputs": []})
    journal.release()

    assert found == [journal.run_id]
    assert owned
    assert again == store
    assert store.names() == [f"{journal.run_id}/manifest.json"]


def test_the_bucket_must_be_the_owner_s(store: S3Store, session: SessionFactory, world: World) -> None:
    """A bucket of another account than the role's is refused, by every call."""
    wrong = S3Store(store.url, session, expected_owner="999999999999")

    for call in (lambda: wrong.names(), lambda: wrong.read("a"), lambda: wrong.create("a", b"1")):
        with pytest.raises(StoreError, match="AccessDenied") as caught:
            call()
        assert "999999999999" in caught.value.hint

    assert all(call.headers.get("x-amz-expected-bucket-owner") for call in world.proxy.calls if call.service == "s3")
