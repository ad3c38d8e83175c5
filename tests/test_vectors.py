"""The published test vectors of Project Wycheproof, read in place where they are."""

from __future__ import annotations

import json
import lzma
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dmengine.errors import DmengineError
from dmengine.ff1 import FF1, MIN_DOMAIN, decrypt_text, domain_size, encrypt_text
from dmengine.prf import cmac

Case = dict[str, Any]

EVERYTHING = os.environ.get("DMENGINE_PROVE") == "1"
SEED = os.environ["DMENGINE_SEED"]
ONE_IN = 1 if EVERYTHING else 10

# the cases in each published file, 57,246 together: none may be passed over unseen
FF1_CASES = {
    "base10": 3845, "base16": 3872, "base26": 3076, "base32": 2868, "base36": 2854, "base45": 2421, "base62": 2474,
    "base64": 2417, "base85": 1852, "radix10": 3845, "radix16": 3872, "radix26": 3076, "radix32": 2868,
    "radix36": 2854, "radix45": 2421, "radix62": 2474, "radix64": 2417, "radix85": 1852, "radix255": 1853,
    "radix256": 2021, "radix65535": 965, "radix65536": 1049,
}  # fmt: skip
CMAC_CASES = 311


def published(name: str) -> list[Case]:
    """Read all cases of a file, each with what its group says; skip by name where the files are not at hand."""
    named = os.environ.get("DMENGINE_VECTORS")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "vectors"
    path = folder / f"{name}_test.json.xz"
    if not path.is_file():
        pytest.skip(
            f"not run: the Wycheproof vectors {path.name} are not at hand; name their folder in DMENGINE_VECTORS"
        )
    groups = json.loads(lzma.decompress(path.read_bytes()))["testGroups"]
    return [{**group, **case} for group in groups for case in group["tests"]]


def sampled(cases: list[Case], name: str) -> list[Case]:
    """Take one case in ten by the seed, or all of them for the proof; of the rare kinds, all in any case."""
    print(f"{name}: one case in {ONE_IN}, DMENGINE_SEED={SEED}")
    rng = random.Random(f"{SEED}/{name}")
    rare = {"SmallMessageSize", "InvalidMessageSize", "InvalidKeySize"}
    return [case for case in cases if rare & set(case["flags"]) or rng.randrange(ONE_IN) == 0]


def encrypted(case: Case, *, allow_small_domain: bool) -> Any:
    """Encipher a case's message and make sure that it goes back; as text where the case has an alphabet."""
    cipher = FF1(
        bytes.fromhex(case["key"]), case["radix"], bytes.fromhex(case["tweak"]), allow_small_domain=allow_small_domain
    )
    if "alphabet" in case:
        text = pa.array([case["msg"]])
        masked = encrypt_text(cipher, case["alphabet"], text)
        assert decrypt_text(cipher, case["alphabet"], masked).equals(text), case["tcId"]
        return masked.to_pylist()[0]
    digits = np.array([case["msg"]], dtype=np.int64)
    result = cipher.encrypt_digits(digits)
    assert np.array_equal(cipher.decrypt_digits(result), digits), case["tcId"]
    return result[0].tolist()


@pytest.mark.proof
@pytest.mark.parametrize("name", FF1_CASES)
def test_ff1_passes_the_published_vectors(name: str) -> None:
    """Valid cases come out both ways, invalid ones are refused, and small ones are refused in strict mode."""
    cases = published(f"aes_ff1_{name}")
    assert len(cases) == FF1_CASES[name]

    for case in sampled(cases, name):
        where = (name, case["tcId"])
        if case["result"] == "invalid":
            with pytest.raises(DmengineError):
                encrypted(case, allow_small_domain=True)
            continue
        small = domain_size(case["radix"], len(case["msg"])) < MIN_DOMAIN
        assert encrypted(case, allow_small_domain=small) == case["ct"], where
        if small:
            with pytest.raises(DmengineError):
                encrypted(case, allow_small_domain=False)


def test_the_small_cases_are_the_138_that_nist_would_refuse() -> None:
    """Strict mode is tried on every published case with under a million texts."""
    cases = [case for name in FF1_CASES for case in published(f"aes_ff1_{name}")]

    small = [case for case in cases if case["result"] == "valid" and "SmallMessageSize" in case["flags"]]

    assert len(cases) == 57_246
    assert len(small) == 138
    assert all(domain_size(case["radix"], len(case["msg"])) < MIN_DOMAIN for case in small)


def test_cmac_passes_the_published_vectors() -> None:
    """Valid tags are met, altered tags are not, and keys of no AES size are refused."""
    cases = published("aes_cmac")
    assert len(cases) == CMAC_CASES

    for case in cases:
        key, message = bytes.fromhex(case["key"]), pa.array([bytes.fromhex(case["msg"])], pa.binary())
        if "InvalidKeySize" in case["flags"]:
            with pytest.raises(DmengineError):
                cmac(key, message)
            continue
        tag = cmac(key, message).astype(">u8").tobytes()[: case["tagSize"] // 8]
        assert (tag == bytes.fromhex(case["tag"])) == (case["result"] == "valid"), case["tcId"]
