"""Tools that mask what they are given: presidio's operators, FPE libraries, and maskops for Polars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa

from benchmarks.mask_cases import FOUND
from benchmarks.peers import Check, Peer, Work, each, like, module, same
from benchmarks.peers_generators import MAIL, PHONE, WORDS
from dmengine.maskers import (
    CharacterMask,
    Email,
    FirstName,
    Fixed,
    Fpe,
    FullName,
    Hash,
    PanTruncate,
    Phone,
    RegexReplace,
    Scrub,
    Tokenize,
)
from dmengine.spi import Masker

PRESIDIO_LIMIT: Final = 10
HASH_LIMIT: Final = 5
LIBFFX_LIMIT: Final = 40
FF3_LIMIT: Final = 300
KEY: Final = bytes(range(7, 39))
TWEAK: Final = "D8E7920AFA330A"
DRAWN: Final = "consistency: what is drawn is not tied to the original"
NO_CIPHER: Final = "another value: it writes asterisks"
FAMILIES: Final = ("email", "phone", "credit_card", "ip")


def operators() -> Iterator[Peer]:
    """Yield each operator beside the mask of the same work."""
    yield from _presidio()
    digits, card = like("[0-9]{16}"), "16 digits"
    yield Peer("libffx", f"FF1, {card}", Fpe(), "card", _libffx, digits, LIBFFX_LIMIT, 2_000)
    yield Peer("ff3", f"FF3-1, {card}", Fpe(), "card", _ff3, digits, FF3_LIMIT, 1_000)
    yield from _maskops()


def _presidio() -> Iterator[Peer]:
    def operator(
        does: str, kind: str, given: dict[str, Any], mask: Masker, column: str, check: Check, **more: Any
    ) -> Peer:
        limit = more.pop("limit", PRESIDIO_LIMIT)
        return Peer(
            "presidio", does, mask, column, _operator(kind, given), check, limit, more.pop("values", 20_000), **more
        )

    stars = {"masking_char": "*", "chars_to_mask": 12, "from_end": False}
    everything = stars | {"chars_to_mask": 100}
    yield operator("replace operator", "Replace", {"new_value": "x"}, Fixed("x"), "text", same)
    yield operator("redact operator", "Redact", {}, Fixed(""), "text", same)
    yield operator("mask operator, all", "Mask", everything, CharacterMask(), "text", same)
    yield operator("mask operator, but the last 4", "Mask", stars, CharacterMask(keep_last=4), "card", same)
    salted = {"salt": KEY}
    yield operator(
        "hash operator, SHA-256, salted", "Hash", salted, Hash(), "text", like("[0-9a-f]{32,64}"), limit=HASH_LIMIT
    )
    secret = {"key": KEY}
    token = like("[A-Za-z0-9_=-]{24,}")
    yield operator("encrypt operator, AES-CBC", "Encrypt", secret, Tokenize(), "text", token, values=5_000, limit=1,
                   less="consistency: another token each time")  # fmt: skip
    fakes: tuple[tuple[str, Masker, str, Check], ...] = (
        ("first_name", FirstName(), "text", like(WORDS)),
        ("name", FullName(), "text", like(WORDS)),
        ("email", Email(), "email", like(MAIL)),
        ("phone_number", Phone(), "phone", like(PHONE)),
    )
    for name, mask, column, check in fakes:
        yield Peer(
            "presidio",
            f"custom operator, Faker's {name}",
            mask,
            column,
            _custom(name),
            check,
            PRESIDIO_LIMIT,
            5_000,
            DRAWN,
        )
    yield Peer(
        "presidio-analyzer",
        "4 pattern recognisers, replaced",
        Scrub(FOUND),
        "notes",
        _analyzed,
        _scrubbed,
        PRESIDIO_LIMIT,
        400,
    )


def _operator(kind: str, given: dict[str, Any]) -> Callable[[pa.ChunkedArray], Work]:
    """Call the operator itself, which is faster than AnonymizerEngine."""

    def bind(column: pa.ChunkedArray) -> Work:
        operate = getattr(module("presidio_anonymizer.operators"), kind)().operate
        return each(lambda text: operate(text, given))(column.to_pylist())

    return bind


def _custom(name: str) -> Callable[[pa.ChunkedArray], Work]:
    def bind(column: pa.ChunkedArray) -> Work:
        operate = module("presidio_anonymizer.operators").Custom().operate
        draw = getattr(module("faker").Faker(use_weighting=False), name)
        given = {"lambda": lambda text: draw()}
        return each(lambda text: operate(text, given))(column.to_pylist())

    return bind


def _analyzed(column: pa.ChunkedArray) -> Work:
    """Detect with presidio-analyzer's recognisers of patterns alone: no language model and no network is asked."""
    domains = module("tldextract")
    domains.extract = domains.TLDExtract(suffix_list_urls=(), cache_dir=None)  # it would download a list of suffixes
    of, engine = module("presidio_analyzer.predefined_recognizers"), module("presidio_anonymizer").AnonymizerEngine()
    names = {
        "EmailRecognizer": "EMAIL_ADDRESS",
        "PhoneRecognizer": "PHONE_NUMBER",
        "CreditCardRecognizer": "CREDIT_CARD",
        "IpRecognizer": "IP_ADDRESS",
    }
    recognizers = [(getattr(of, name)(), [entity]) for name, entity in names.items()]

    def one(text: str) -> str:
        found = [hit for recognizer, entities in recognizers for hit in recognizer.analyze(text, entities, None) or ()]
        return str(engine.anonymize(text, found).text)

    return each(one)(column.to_pylist())


def _scrubbed(given: pa.ChunkedArray, theirs: pa.Array, ours: pa.Array) -> bool:
    """Take notes of which the words are there still, and neither address, number, card nor IP address is."""
    for made in (theirs, ours):
        for before, after in zip(given.to_pylist(), made.to_pylist(), strict=True):
            gone = [word for word in before.split() if "@" in word or word.count(".") == 3 or len(word) == 16]
            if any(word in after.split() for word in gone) or "thank you for your help" not in after:
                return False
    return True


def _libffx(column: pa.ChunkedArray) -> Work:
    return each(module("ffx").FF1(KEY, radix=10).encrypt)(column.to_pylist())


def _ff3(column: pa.ChunkedArray) -> Work:
    return each(module("ff3").FF3Cipher(KEY.hex(), TWEAK).encrypt)(column.to_pylist())


def _maskops() -> Iterator[Peer]:
    def masked(does: str, mask: Masker, column: str, check: Check, less: str = "", **options: Any) -> Peer:
        return Peer("maskops", does, mask, column, _plugin("mask_pii", options), check, values=200_000, less=less)

    yield masked("mask_pii, cards", PanTruncate(), "pan", same, patterns=["credit_card"])
    yield masked(
        "mask_pii, e-mail",
        Email(mail_domain="keep"),
        "email",
        like(r"[*\w.]+@corp\.example"),
        NO_CIPHER,
        patterns=["email"],
    )
    yield masked("mask_pii, phone", CharacterMask(keep_first=2), "e164", same, patterns=["phone"])
    ends = RegexReplace(r"[0-9]+\.[0-9]+$", replacement="*.*")
    yield masked("mask_pii, IP", ends, "ipv4", same, patterns=["ip"])
    yield masked("mask_pii, 4 families in notes", Scrub(FOUND), "notes", _scrubbed, NO_CIPHER, patterns=list(FAMILIES))
    yield masked("mask_pii, all families in notes", Scrub(), "notes", _scrubbed, NO_CIPHER)
    for mode in ("ff3", "ff1"):
        options = {"key": KEY, "tweak": bytes.fromhex(TWEAK), "patterns": ["credit_card"], "mode": mode}
        bind = _plugin("mask_pii_fpe", options)
        yield Peer("maskops", f"mask_pii_fpe, {mode}, cards", Fpe(), "pan", bind, like("[0-9]{16}"), values=200_000)


def _plugin(function: str, options: dict[str, Any]) -> Callable[[pa.ChunkedArray], Work]:
    def bind(column: pa.ChunkedArray) -> Work:
        polars, maskops = module("polars"), module("maskops")
        frame = polars.DataFrame({"value": polars.from_arrow(column)})
        expression = getattr(maskops, function)("value", **options)
        return lambda: frame.select(expression)

    return bind
