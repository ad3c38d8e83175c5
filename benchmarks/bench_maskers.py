"""What every built-in mask costs per value, on columns of distinct values: `python benchmarks/bench_maskers.py`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NUMBER
from dmengine.spi import Masker
from dmengine.testing.context import mask_array
from dmengine_maskers import (
    Address,
    Bucket,
    Chain,
    CharacterMask,
    Choice,
    Company,
    Concat,
    CreditCard,
    DateShift,
    DateTruncate,
    Email,
    FirstName,
    Fixed,
    FormatString,
    Fpe,
    FullName,
    Hash,
    Iban,
    Imitate,
    IpAddress,
    KeepAge,
    KeepYear,
    LastName,
    Lookup,
    Lorem,
    MacAddress,
    NationalId,
    Noise,
    Null,
    Number,
    PanTruncate,
    Password,
    Phone,
    RandomDate,
    RandomText,
    Redact,
    RegexReplace,
    Round,
    SetChecksum,
    TopCode,
    Url,
    Username,
    Uuid,
    Vin,
)

BATCH = 65_536


@dataclass(frozen=True, slots=True)
class Result:
    """One mask over one column; times are CPU seconds of this process for the whole column."""

    mask: str
    column: str
    rows: int
    bytes: int
    min_ns: float
    median_ns: float
    mb_per_s: float
    copy_ns: float


def columns(rows: int) -> dict[str, pa.Array]:
    """Make columns of distinct values: what a name, an address, a card or an amount look like."""
    count = np.arange(rows)
    ids = pa.array(count).cast(pa.string())
    cards = pc.utf8_lpad(pa.array((count * 7_919 + 4_111_111_111) % 10**16).cast(pa.string()), 16, "4")
    amounts = pa.array(count * 37).cast(pa.decimal128(21, 2)).cast(pa.decimal128(12, 2))
    return {
        "text": pc.binary_join_element_wise("Person", ids, " "),
        "umlauts": pc.binary_join_element_wise("Jörg Müller", ids, " "),
        "email": pc.binary_join_element_wise(ids, "corp.example", "@"),
        "card": cards,
        "pan": mask_array(SetChecksum("luhn"), cards),
        "ssn": pa.array((101 + count % 500) * 10**6 + (1 + count // 500 % 99) * 10**4 + 1 + count // 49_500),
        "iban": mask_array(SetChecksum("iban"), _prefixed("DE0037040044", ids, 10)),
        "gb_iban": mask_array(SetChecksum("iban"), _prefixed("GB00NWBK", ids, 14)),
        "vin": _prefixed("WVWZZZ1JZ", ids, 8),
        "phone": _prefixed("+49 30 9", ids, 7),
        "ipv4": mask_array(IpAddress(), pc.binary_join_element_wise("10", *_bytes_of(count), ".")),
        "ipv6": mask_array(IpAddress(), pc.binary_join_element_wise("2001:db8:", *_bytes_of(count), ":")),
        "mac": mask_array(MacAddress(), _prefixed("001b44", ids, 6)),
        "uuid": mask_array(Uuid(), _prefixed("0b2f0d2a-5c39-4c6f-9d3c-1f3f", ids, 8)),
        "int64": pa.array(count + 10**9),
        "float64": pa.array(count / 8),
        "decimal": amounts,
        "number": pa.ExtensionArray.from_storage(NUMBER, amounts.cast(pa.string())),
        "date": pa.array((count % 2_000_000 - 500_000).astype(np.int32)).cast(pa.date32()),
        "timestamp": pa.array(count * 86_399_999_983 % 10**16).cast(pa.timestamp("us")),
    }


def _prefixed(start: str, ids: pa.Array, digits: int) -> pa.Array:
    return pc.binary_join_element_wise(start, pc.utf8_lpad(ids, digits, "3"), "")


def _bytes_of(count: npt.NDArray[np.int64]) -> list[pa.Array]:
    return [pa.array(count >> shift & 255).cast(pa.string()) for shift in (16, 8, 0)]


CASES: tuple[tuple[Masker, str], ...] = (
    (Fixed("x"), "text"),
    (Null(), "text"),
    (Redact(), "text"),
    (CharacterMask(), "text"),
    (CharacterMask(keep_first=1, keep_last=2), "text"),
    (CharacterMask(keep_last=4, chars_to_ignore=" -"), "umlauts"),
    (Hash(), "text"),
    (Fpe(), "card"),
    (Fpe(), "int64"),
    (Fpe(minimum=0, maximum=10**12), "int64"),
    (Fpe(alphabet="alphanumeric"), "text"),
    (CreditCard(), "pan"),
    (CreditCard(keep_prefix=6), "pan"),
    (CreditCard(keep_prefix=6, keep_last=4), "pan"),
    (PanTruncate(), "pan"),
    (Iban(), "iban"),
    (Iban(), "gb_iban"),
    (NationalId("us_ssn"), "ssn"),
    (Vin(), "vin"),
    (SetChecksum("luhn"), "pan"),
    (FullName(), "text"),
    (Username(), "text"),
    (Email(unique=True), "email"),
    (Address(), "text"),
    (Address("city"), "text"),
    (Company(), "text"),
    (Phone(), "phone"),
    (IpAddress(), "ipv4"),
    (IpAddress(keep_subnets=False), "ipv4"),
    (IpAddress(), "ipv6"),
    (MacAddress(), "mac"),
    (Uuid(), "uuid"),
    (Url(), "text"),
    (Password(), "text"),
    (FirstName(), "text"),
    (LastName(keep_case=True), "text"),
    (Email(), "email"),
    (Email(mail_domain="keep"), "email"),
    (Lookup("street"), "text"),
    (DateShift(), "date"),
    (DateShift(), "timestamp"),
    (Bucket(width=10), "int64"),
    (Bucket(width=0.5), "float64"),
    (Bucket(width=10), "decimal"),
    (Bucket(width=10), "number"),
    (Number(0, 10**6), "int64"),
    (Number(0, 1), "float64"),
    (Number(0, 10**6), "decimal"),
    (Number(0, 10**6), "number"),
    (Number(0, 10**6, consistent=False), "int64"),
    (Choice(("red", "green", "blue"), weights=(1, 2, 3)), "text"),
    (FormatString("{[A-Z],2}-{0:999,03} {(red|blue)}"), "text"),
    (Chain((Hash(), CharacterMask(keep_last=4))), "text"),
    (Concat((FirstName(), LastName()), glue=" "), "text"),
    (Imitate(), "text"),
    (Imitate(), "umlauts"),
    (RegexReplace("[0-9]+", replacement="#"), "text"),
    (RegexReplace("[0-9]+", masks=(Imitate(),)), "text"),
    (RandomText(12), "text"),
    (Lorem(), "text"),
    (Round(100), "decimal"),
    (Noise(100, "normal"), "float64"),
    (Noise(0.1, relative=True), "decimal"),
    (TopCode(1000), "int64"),
    (DateTruncate("month"), "date"),
    (KeepYear(), "timestamp"),
    (KeepAge(date(2026, 1, 1)), "date"),
    (RandomDate(date(1950, 1, 1), date(2005, 12, 31)), "date"),
)


def measure(masker: Masker, name: str, column: pa.Array, rounds: int) -> Result:
    """Time a mask over a column, in batches as a run hands them over."""
    batches = [column.slice(start, BATCH) for start in range(0, len(column), BATCH)]
    every = np.arange(BATCH)

    def masked() -> None:
        for batch in batches:
            mask_array(masker, batch)

    def copied() -> None:
        for batch in batches:
            batch.take(pa.array(every[: len(batch)]))

    masked()
    times, floor = sorted(_cpu(masked) for _ in range(rounds)), min(_cpu(copied) for _ in range(rounds))
    size = column.nbytes
    shown = f"{masker.name} {_options(masker)}".strip()
    per = 1e9 / len(column)
    least, median = times[0], statistics.median(times)
    return Result(shown, name, len(column), size, least * per, median * per, size / least / 1e6, floor * per)


def _cpu(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _options(masker: Any) -> str:
    """Show the parameters that are not the defaults."""
    given = ((field.name, getattr(masker, field.name), field.default) for field in fields(masker))
    return ", ".join(f"{name}={value!r}" for name, value, default in given if value != default)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="", help="a mask's name")
    options.add_argument("--json", metavar="FILE", help="write the results there too")
    given = options.parse_args()
    made = columns(given.rows)
    results: list[Result] = []
    print(f"{'mask':<52}{'column':<11}{'ns min':>8}{'median':>8}{'MB/s':>8}{'copy ns':>9}")
    for masker, name in CASES:
        if given.only in ("", masker.name):
            r = measure(masker, name, made[name], given.rounds)
            results.append(r)
            print(f"{r.mask:<52}{name:<11}{r.min_ns:>8.0f}{r.median_ns:>8.0f}{r.mb_per_s:>8.0f}{r.copy_ns:>9.0f}")
    if given.json:
        machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": sys.version.split()[0]}
        machine |= {"pyarrow": pa.__version__, "numpy": np.__version__}
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "distinct": 1.0, "results": [asdict(r) for r in results]}, file, indent=2)


if __name__ == "__main__":
    main()
