"""The word lists: what has shipped never changes."""

from __future__ import annotations

import hashlib
import unicodedata
from importlib import resources

import pytest

from dmengine_maskers import corpora

SHIPPED = {
    "city.en_US.v1.txt.gz": "dde1e94c1aaaa52ae99bf3c587331a9bbef64856e873193aaa4c617e69921a77",
    "first_name_female.de_DE.v1.txt.gz": "468f1ea54c2e17b8b4eb59bb72812a450f0af2a4ee78b29ef78154c12e5ab34b",
    "first_name_female.en_GB.v1.txt.gz": "06bcfd63b3b7735682dfdb0355a71e873cab66b77f7f02cb60edf6a2a18e975b",
    "first_name_female.en_US.v1.txt.gz": "50d94b720c43bb8e22812fefc8c56278bdf1368dd2be3bc29fe833bf7ca3d448",
    "first_name_female.es_ES.v1.txt.gz": "7904f467b13dd4157fbda46bb4036c1454c4ff557c90a9d2a1add372ea966ff3",
    "first_name_female.fr_FR.v1.txt.gz": "ed9c59d04e34b96f7efdce055b92e29f3b9784b5ef3a58016432df909e8a1dc0",
    "first_name_male.de_DE.v1.txt.gz": "cc027f53af73d5547682097d6fcc6cc63a6718f9d40879b4dd77731d438eb961",
    "first_name_male.en_GB.v1.txt.gz": "6665e85d70a9ce57d69bb910e8e57bb381016594988ebf48d6d0a64ea2e137f2",
    "first_name_male.en_US.v1.txt.gz": "5c5d2abbcf74b5efe6d4aeb2be15b611a03f3e280ee4d6beb51a64544bc50a46",
    "first_name_male.es_ES.v1.txt.gz": "4c39d2c9cf6c502f791aee3d134b3b35eef7c899897e66778d1f8844f4bc4db9",
    "first_name_male.fr_FR.v1.txt.gz": "9cb70b34a95943c3e2ed1a6fd4e4521e9992232237cff2e4de3285ee7c1820ef",
    "last_name.de_DE.v1.txt.gz": "ca437223670de85b1aeaf0cd35e1f7e1423803839e6e829aa486af874825cd28",
    "last_name.en_GB.v1.txt.gz": "7d29a4902e3a748ad8d0dca24db242a11abf0f2a27afcdc87c6f48b68ff2352f",
    "last_name.en_US.v1.txt.gz": "aea93b28a896d279e96ac8befde200724e953a5192cdab6a66def385298f2e3c",
    "last_name.es_ES.v1.txt.gz": "cdd50519bb73699c93a4c9bb2972871ade64606656fa878758c00d0222a76b4e",
    "last_name.fr_FR.v1.txt.gz": "15029a63702bf5267d87a53b2bcfc60dc9373163966875f3e9e08f3d27713940",
    "street.en_US.v1.txt.gz": "ca9180c949ab3ec0dd762ca4be0bac0763667b3243d8f1b34e058da2712d8240",
}


def test_shipped_list_never_changes() -> None:
    """Every file is byte for byte what it was when it shipped: a change would change masked values."""
    folder = resources.files("dmengine_maskers.corpora")
    found = {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
        for entry in folder.iterdir()
        if entry.name.endswith(".gz")
    }

    assert found == SHIPPED


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_entries_are_distinct_sorted_and_clean(name: str) -> None:
    """Entries are in NFC, without space at the ends, each once, in the order of their code points."""
    corpus, locale, *_ = name.split(".")

    words = corpora.load(corpus, locale).to_pylist()

    assert words == sorted(set(words))
    assert all(word and word == unicodedata.normalize("NFC", word.strip()) for word in words)


def test_list_is_read_once() -> None:
    """A process reads a list once and shares it."""
    assert corpora.load("city", "en_US") is corpora.load("city", "en_US")
