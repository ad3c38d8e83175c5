"""Compressed files go through a whole run as they are, by name or by what the job says."""

from __future__ import annotations

from pathlib import Path

import pytest

import dmengine as dm
from dmengine.connectors import Csv, LocalFiles
from dmengine.errors import PlanError
from dmengine.keyring import Key
from dmengine.maskers import Redact
from dmengine_connectors.formats.codecs import Codec, decompressed
from tests.formats.test_codecs import pack

RULES = dm.Ruleset([dm.Rule("email", Redact()), dm.keep("id", because="surrogate key")])
PEOPLE = b"id,email\n007,ann@x.org\n"
MASKED = b"id,email\n007,*\n"


@pytest.mark.parametrize(("name", "codec"), [("a.csv.bz2", "bz2"), ("a.csv.xz", "xz"), ("A.CSV.GZ", "gzip")])
def test_the_name_says_how_a_file_is_compressed(tmp_path: Path, key: Key, name: str, codec: Codec) -> None:
    """It is masked within, and compressed the same way again."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(pack(PEOPLE, codec))

    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), RULES, key)

    with open(tmp_path / "out" / name, "rb") as file:
        assert decompressed(file, codec).read() == MASKED


def test_a_job_may_say_how_files_are_compressed(tmp_path: Path, key: Key) -> None:
    """Where names do not tell; the target follows without being told."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "people.dat").write_bytes(pack(PEOPLE, "gzip"))
    source = LocalFiles(tmp_path / "in", formats={"*.dat": Csv()}, compression={"*.dat": "gzip"})

    dm.run(source, LocalFiles(tmp_path / "out"), RULES, key)

    with open(tmp_path / "out" / "people.dat", "rb") as file:
        assert decompressed(file, "gzip").read() == MASKED


def test_a_file_that_is_not_compressed_as_said_is_refused(tmp_path: Path, key: Key) -> None:
    """Content must agree with the name, or with the job."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "people.csv.xz").write_bytes(PEOPLE)

    with pytest.raises(PlanError, match="named as xz, but it is not"):
        dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), RULES, key)
    assert not (tmp_path / "out").exists()
