"""The twenty small files that every crash proof masks, with their rules and keys."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dmengine.keyring import Key
from dmengine.maskers import Email, Redact
from dmengine.rules import Rule, Ruleset, keep

CANARY = "canary"  # every value that must be masked holds it, and nothing else does
ROWS = 12
COPIED = "notes/readme.txt"
KEYS = {
    "key": Key.from_bytes(bytes.fromhex("8c3f5e0b1d97a2644fd0b9187ce3a5521be6049df7c830a91452de6b70f18c3d")),
    "other": Key.from_bytes(bytes.fromhex("1be6049df7c830a91452de6b70f18c3d8c3f5e0b1d97a2644fd0b9187ce3a552")),
}
_KEPT = keep("id", because="a surrogate key")
_PART = Rule("part", keep(because="folders are numbered"), optional=True)
RULES = {
    "rules": Ruleset([Rule("email", Email()), Rule("note", Redact()), _KEPT, _PART]),
    "others": Ruleset([Rule("email", Redact()), Rule("note", Redact()), _KEPT, _PART]),
}


def make_source(folder: Path) -> None:
    """Write nineteen files of three formats, some in folders, some compressed, and one that is only copied."""
    for number in range(19):
        path = folder / ("" if number % 3 else f"part={number % 2}") / f"people-{number:02}"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, number)
    copied = folder / COPIED
    copied.parent.mkdir()
    copied.write_text("carried over as it is\n")


def _write(path: Path, number: int) -> None:
    people = [
        {"id": row, "email": f"{CANARY}{number}.{row}@mail.example", "note": f"{CANARY} note {row}"}
        for row in range(ROWS)
    ]
    text = "id,email,note\n" + "".join(f"{p['id']},{p['email']},{p['note']}\n" for p in people)
    kind = number % 4
    if kind == 0:
        path.with_suffix(".csv").write_text(text)
    elif kind == 1:
        path.with_suffix(".csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    elif kind == 2:
        path.with_suffix(".jsonl").write_text("".join(json.dumps(person) + "\n" for person in people))
    else:
        # Uncompressed, so that a value left in a half-written file can be seen in its bytes.
        pq.write_table(pa.Table.from_pylist(people), path.with_suffix(".parquet"), compression="none")
