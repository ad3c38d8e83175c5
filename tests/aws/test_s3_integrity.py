"""What is read of an object is what S3 holds, what S3 holds is what was written, and memory is bounded on the way."""

from __future__ import annotations

import base64
import hashlib
import random
import tracemalloc
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any, cast

import pytest

from dmengine.errors import InputError, StoreError
from dmengine.spi import Part, Sealed
from dmengine_connectors.stores import s3_read, s3_upload
from dmengine_connectors.stores.objects import Carried
from dmengine_connectors.stores.s3 import Bucket
from dmengine_connectors.stores.s3_calls import Calls
from dmengine_connectors.stores.s3_read import Manner, RangedFile, pin_of
from dmengine_connectors.stores.s3_sums import ALGORITHMS, Expected, algorithm, expected
from dmengine_connectors.stores.s3_upload import SealedUpload
from tests.aws.s3_lab import session_of_a
from tests.aws.standins.accounts import ACCOUNT_B
from tests.aws.standins.contents import objects
from tests.aws.standins.faults import Fates, Fault
from tests.aws.standins.world import EXTERNAL_ID, ROLE_B, World

BUCKET = "bucket-of-b"
MIB = 1 << 20
BODY = random.Random(3).randbytes(11 * MIB + 123)
PARTS = (BODY[: 5 * MIB], BODY[5 * MIB : 10 * MIB], BODY[10 * MIB :])
CHECK = {  # of b"123456789": the check values of the catalogues of CRCs, and what hashlib says
    "CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888",
    "SHA1": hashlib.sha1(b"123456789").hexdigest(), "SHA256": hashlib.sha256(b"123456789").hexdigest(),
}  # fmt: skip
INSTALLED = [
    pytest.param(name, marks=pytest.mark.skipif(algorithm(name) is None, reason=f"{name} needs awscrt"))
    for name in ALGORITHMS
]


class Notes:
    """The notes of a run that nobody resumes."""

    run_id = "20260101T000000-abcdef"

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], str] = {}

    def note(self, part: str, key: str, value: str) -> None:
        """Keep a note; a second one must be equal."""
        assert self._notes.setdefault((part, key), value) == value

    def get(self, part: str, key: str) -> str | None:
        """Return a note."""
        return self._notes.get((part, key))


@pytest.fixture
def bucket(world: World, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Return a bucket of B that is read in ranges of 1 MiB, two ahead."""
    world.make_bucket(ACCOUNT_B, BUCKET)
    monkeypatch.setitem(cast(dict[str, Manner], s3_read.MANNERS), "stream", Manner(MIB, 2, 4))
    return Bucket(Calls(session_of_a(world).assume(ROLE_B, external_id=EXTERNAL_ID), BUCKET, ACCOUNT_B), "")


def put(world: World, body: bytes, **more: Any) -> str:
    """Put an object, and return its pin."""
    return pin_of(world.truth(ACCOUNT_B).put_object(Bucket=BUCKET, Key="a", Body=body, **more)["ETag"], len(body))


def send(world: World, name: str, parts: Sequence[bytes] = PARTS) -> str:
    """Send an object in parts, with checksums of a kind, and return its pin."""
    client = world.client("s3", world.assume(ROLE_B, ExternalId=EXTERNAL_ID))
    where = {"Bucket": BUCKET, "Key": "a"}
    where |= {"UploadId": client.create_multipart_upload(**where, ChecksumAlgorithm=name)["UploadId"]}
    done = []
    for number, body in enumerate(parts, 1):
        made = algorithm(name)
        assert made is not None
        sum_ = {f"Checksum{name}": base64.b64encode(made.digest(body)).decode()}
        done.append(
            {"PartNumber": number, "ETag": client.upload_part(**where, PartNumber=number, Body=body, **sum_)["ETag"]}
            | sum_
        )
    answer = client.complete_multipart_upload(**where, MultipartUpload={"Parts": done})
    world.proxy.forget()
    return pin_of(answer["ETag"], sum(map(len, parts)))


def read(bucket: Bucket, pin: str) -> bytes:
    """Read an object to its end, and compare it."""
    with bucket.open("a", pin) as file:
        found = file.read()
        bucket.check_same("a", pin, file)
    return found


def pieces(name: str, *bodies: bytes) -> list[tuple[bytes, int]]:
    made = algorithm(name)
    assert made is not None
    return [(made.digest(body), len(body)) for body in bodies]


# ---------------------------------------------------------------------------------------------- checksums


@pytest.mark.parametrize("name", INSTALLED)
def test_checksums_are_those_of_the_catalogues(name: str) -> None:
    """Each algorithm gives its published check value."""
    found = algorithm(name)

    assert found is not None
    assert found.digest(b"123456789").hex() == CHECK[name]
    assert found.digest(memoryview(bytearray(b"123456789"))).hex() == CHECK[name]


@pytest.mark.parametrize("name", INSTALLED)
def test_pieces_add_up_to_a_checksum_of_parts(name: str) -> None:
    """A checksum of checksums is found from the pieces of each part, and one flipped bit is another one."""
    made = algorithm(name)
    assert made is not None
    whole = made.digest(b"".join(made.digest(part) for part in PARTS))
    answer = {f"Checksum{name}": base64.b64encode(whole).decode() + "-3", "ChecksumType": "COMPOSITE", "ETag": '"x-3"'}
    found = expected(answer, len(BODY), lambda: 5 * MIB)
    assert found is not None

    size = found.piece(2 * MIB)

    assert size is not None
    cut = [BODY[start : start + size] for start in range(0, len(BODY), size)] if size < 5 * MIB else list(PARTS)
    assert 5 * MIB % size == 0
    assert found.agrees(pieces(name, *cut))
    cut[1] = bytes([cut[1][0] ^ 1]) + cut[1][1:]
    assert not found.agrees(pieces(name, *cut))


@pytest.mark.parametrize("name", [p for p in INSTALLED if cast(str, p.values[0]).startswith("CRC")])
def test_pieces_add_up_to_a_crc_of_the_whole(name: str) -> None:
    """A CRC of a whole object is found from pieces of any size, however the object was sent."""
    [(whole, _)] = pieces(name, BODY)
    answer = {f"Checksum{name}": base64.b64encode(whole).decode(), "ChecksumType": "FULL_OBJECT", "ETag": '"x-3"'}
    found = expected(answer, len(BODY), lambda: 5 * MIB)
    assert found is not None

    cut = [BODY[start : start + 3_000_017] for start in range(0, len(BODY), 3_000_017)]

    assert found.piece(3_000_017) == 3_000_017
    assert found.agrees(pieces(name, *cut))
    assert not found.agrees(pieces(name, *reversed(cut)))


def test_what_cannot_be_compared_is_known_before() -> None:
    """A hash of a large whole, or of parts too large for memory, has no pieces; nor has a kind nobody can compute."""
    assert Expected("SHA256", "x").piece(8 * MIB) is None
    assert Expected("SHA256", "x", 3, 64 * MIB).piece(8 * MIB) is None
    assert Expected("XXHASH3", "x").piece(8 * MIB) is None
    assert Expected("SHA256", "x", 3, 16 * MIB).piece(8 * MIB) == 16 * MIB


# ---------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("name", ["CRC32", "SHA1", "SHA256"])
def test_a_flipped_bit_in_a_range_is_found(world: World, bucket: Bucket, name: str) -> None:
    """An object that was sent in parts is compared with the checksum of their checksums."""
    pin = send(world, name)
    assert read(bucket, pin) == BODY
    world.proxy.forget()
    world.proxy.fates = Fates(7, Fault(("flipped",), ("GetObject",), times=1))

    with pytest.raises(InputError, match="a was not read as it is stored: its checksum is wrong"):
        read(bucket, pin)


def test_parts_of_unequal_size_are_no_false_alarm(world: World, bucket: Bucket) -> None:
    """Where the parts are not all of one size, their checksum cannot be compared, and nothing is said against it."""
    pin = send(world, "SHA256", (BODY[: 5 * MIB], BODY[5 * MIB : 11 * MIB], BODY[11 * MIB :]))

    assert read(bucket, pin) == BODY


def test_a_small_object_of_one_part_is_compared(world: World, bucket: Bucket) -> None:
    """Botocore does not compare checksums of checksums, not even of a single one."""
    pin = send(world, "SHA256", (b"id,email\n",))
    assert read(bucket, pin) == b"id,email\n"
    world.proxy.forget()
    world.proxy.fates = Fates(7, Fault(("flipped",), ("GetObject",), times=1))

    with pytest.raises(InputError, match="its checksum is wrong"):
        read(bucket, pin)


def test_a_checksum_that_is_not_compared_is_a_finding(world: World, bucket: Bucket) -> None:
    """A SHA-256 over a large whole cannot be found from ranges; the report says so."""
    pin = put(world, BODY, ChecksumAlgorithm="SHA256")

    with bucket.open("a", pin) as file:
        carried = bucket.carried(file, "a")

    assert isinstance(carried, Carried)
    assert [finding.message for finding in carried.findings] == [
        "what is read is not compared with its SHA256 checksum"
    ]


def test_an_object_that_changes_between_ranges_is_refused(world: World, bucket: Bucket) -> None:
    """Every range asks for the version that was listed."""
    pin = put(world, BODY)

    with bucket.open("a", pin) as file:
        file.read(10)
        put(world, BODY[::-1])
        with pytest.raises(InputError, match="a was changed while the run was under way"):
            file.read()


def test_an_object_that_is_cut_short_is_read_on(world: World, bucket: Bucket, no_pauses: None) -> None:
    """What broke off is asked for again from that byte, also where the answer does not say how long it is."""
    pin = put(world, BODY)
    world.proxy.fates = Fates(3, Fault(("cut", "cut_unsized"), ("GetObject",), share=0.4))

    found = read(bucket, pin)

    assert found == BODY
    assert world.proxy.fates.met.keys() == {"cut", "cut_unsized"}


def test_each_range_is_asked_for_once(world: World, bucket: Bucket) -> None:
    """Reading from start to end in small steps fetches nothing twice: what was read ahead stays until it is read."""
    pin = put(world, BODY)

    with bucket.open("a", pin) as file:
        found = b"".join(iter(lambda: file.read(100_000), b""))

    assert found == BODY
    assert world.proxy.count("GetObject") == -(-len(BODY) // MIB)


def test_memory_of_a_reader_is_a_few_ranges() -> None:
    """However large the object is, no more ranges are held than the manner of reading says."""
    size = 200 * MIB
    answer = {"ContentRange": f"bytes 0-{MIB - 1}/{size}"}
    file = RangedFile(lambda start, end, stop: bytes(end - start), size, Manner(MIB, 2, 4), bytes(MIB), answer)
    tracemalloc.start()

    while file.read(64 * 1024):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    file.close()

    assert peak < 8 * MIB


# ---------------------------------------------------------------------------------------------- writing


def test_a_flipped_bit_in_a_part_is_refused_and_sent_again(world: World, bucket: Bucket) -> None:
    """S3 compares each part with its checksum; one that was damaged on its way is sent once more."""
    flips = _flipping(bucket, times=1)

    with bucket.sealing(Notes(), Part("out.csv", "out.csv", 9), None) as file:
        file.write(b"id,email\n")
    bucket.publish(Notes(), [_sealed(file)])

    assert flips == ["BadDigest"]
    assert objects(world.truth(ACCOUNT_B), BUCKET).shown()["out.csv"].body == b"id,email\n"


def test_a_part_that_is_damaged_every_time_is_an_error(world: World, bucket: Bucket) -> None:
    """After three tries the run stops, and the upload is gone."""
    flips = _flipping(bucket, times=99)

    with (
        pytest.raises(StoreError, match="BadDigest"),
        bucket.sealing(Notes(), Part("out.csv", "out.csv", 9), None) as file,
    ):
        file.write(b"id,email\n")

    assert flips == ["BadDigest"] * 3
    assert objects(world.truth(ACCOUNT_B), BUCKET).uploads == ()
    assert objects(world.truth(ACCOUNT_B), BUCKET).objects == {}


def test_parts_too_large_for_memory_wait_in_a_file(
    world: World, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part beyond the limit is sent from a temporary file, byte for byte, and again where the connection broke."""
    monkeypatch.setattr(s3_upload, "SMALLEST_PART", 5 * MIB)
    monkeypatch.setattr(s3_upload, "_IN_FLIGHT", 4 * MIB)
    world.proxy.fates = Fates(1, Fault(("reset_before",), ("UploadPart",), times=1))

    with bucket.sealing(Notes(), Part("out.csv", "out.csv", len(BODY)), None) as file:
        for start in range(0, len(BODY), 700_001):
            file.write(BODY[start : start + 700_001])
    bucket.publish(Notes(), [_sealed(file)])

    assert [part.sha256 for part in file.parts] == [
        base64.b64encode(hashlib.sha256(part).digest()).decode() for part in PARTS
    ]
    assert objects(world.truth(ACCOUNT_B), BUCKET).shown()["out.csv"].body == BODY
    assert file.checksum == hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize("expected_size", [0, 5_000 * 20 * MIB, 5_000 * 60 * MIB])
def test_a_writer_waits_when_parts_are_under_way(expected_size: int) -> None:
    """Where S3 is slow, the writer waits: with all that is being sent it holds 130 MiB at most, 40 of small parts."""
    gate = Event()
    taken = [0]

    def slow(operation: str, **parameters: Any) -> dict[str, Any]:
        gate.wait(30)
        return {"ETag": '"00"'}

    file = SealedUpload(cast(Calls, slow), "out.csv", expected_size, lambda: ("upload", ()))

    def fill() -> None:
        for _ in range(400):
            taken[0] += file.write(bytes(MIB))

    writer = Thread(target=fill, daemon=True)
    writer.start()
    writer.join(2)
    held = taken[0]
    gate.set()
    writer.join(30)
    file.finish()

    assert 0 < held <= (40 if not expected_size else 130) * MIB
    assert file.size == 400 * MIB


def _flipping(bucket: Bucket, times: int) -> list[str]:
    """Flip a bit of the next parts on their way, after all checksums are made; return S3's answers to them."""
    events = cast(Any, bucket.calls.session.client("s3")).meta.events
    answers: list[str] = []

    def flip(request: Any, **_: object) -> None:
        if len(answers) < times:
            body = request.body.read()
            request.body = bytes([body[0] ^ 1]) + body[1:]
            request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"  # as over TLS, where no signature covers it

    def note(parsed: Any, **_: object) -> None:
        if "Error" in parsed:
            answers.append(parsed["Error"]["Code"])

    events.register("before-send.s3.UploadPart", flip)
    events.register("after-call.s3.UploadPart", note)
    return answers


def _sealed(file: SealedUpload) -> Sealed:
    return Sealed("out.csv", "out.csv", 1, file.size, file.checksum, file.notes)
