"""What scrub finds in free text, what it leaves, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles
from dmengine.errors import PlanError
from dmengine.maskers import Case, Chain, CreditCard, Email, Find, Fpe, Redact, RegexReplace, Scrub, Shuffle
from dmengine.spi import Limits
from dmengine.testing.context import mask_values

FINDINGS = [
    ("email", "ann@corp.com", True),
    ("email", "ann.o'neil+x@mail.corp.co.uk", True),
    ("email", "zoë.müller@dömäin.de", True),
    ("email", "ann@localhost", False),
    ("email", "@corp.com", False),
    ("url", "https://corp.com/a?b=c#d", True),
    ("url", "www.corp.com", True),
    ("url", "http://localhost/ann", True),
    ("url", "corp.com", False),
    ("credit_card", "4111111111111111", True),
    ("credit_card", "4111 1111 1111 1111", True),
    ("credit_card", "3782-822463-10005", True),
    ("credit_card", "6212 3456 7890 1234 569", True),
    ("credit_card", "4111111111111112", False),
    ("credit_card", "41111111111111111111111", False),
    ("iban", "DE89370400440532013000", True),
    ("iban", "GB82 WEST 1234 5698 7654 32", True),
    ("iban", "de89 3704 0044 0532 0130 00", True),
    ("iban", "DE88 3704 0044 0532 0130 00", False),
    ("us_ssn", "078-05-1120", True),
    ("us_ssn", "078051120", False),
    ("ipv4", "192.168.0.1", True),
    ("ipv4", "192.168.0.256", False),
    ("ipv4", "1.2.3", False),
    ("ipv6", "2001:db8::1", True),
    ("ipv6", "::1", True),
    ("ipv6", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", True),
    ("ipv6", "12:30:45", False),
    ("mac", "00:1B:44:11:3a:B7", True),
    ("date", "2024-02-29", True),
    ("date", "29.2.2024", True),
    ("date", "March 3rd, 2021", True),
    ("date", "3 of march 2021", True),
    ("date", "2024-13-45", False),
    ("phone", "+1 (555) 123-4567", True),
    ("phone", "212-555-0147", True),
    ("phone", "(030) 1234567", True),
    ("phone", "+442079460958", True),
    ("phone", "12345678", False),
]


@pytest.mark.parametrize(("what", "text", "found"), FINDINGS)
def test_recogniser_knows_its_own(what: str, text: str, found: bool) -> None:
    """Each recogniser finds what the docs say, and nothing that only looks like it."""
    scrub = Scrub((Find(what),))  # type: ignore[arg-type]

    masked = mask_values(scrub, [f"it is {text}, he said"])[0]

    assert (masked == f"it is <{what.upper()}>, he said") == found
    assert found or text in masked


@pytest.mark.parametrize("where", ["{}", "{}.", "({})", "a {}", "{} b", "“{}”", "é {} é", "{}\n{}", "{}, {} {}"])
def test_findings_are_found_wherever_they_stand(where: str) -> None:
    """At the ends, side by side, between quotes and beside letters of any script, a finding is a finding."""
    address = where.replace("{}", "ann@corp.com")

    assert mask_values(Scrub(), [address]) == [where.replace("{}", "<EMAIL>")]


def test_card_is_found_before_its_expiry_date() -> None:
    """Digits that follow a card number do not hide it."""
    masked = mask_values(Scrub(("credit_card",)), ["4111 1111 1111 1111 12/26", "4111 1111 1111 1111 123"])

    assert masked == ["<CREDIT_CARD> 12/26", "<CREDIT_CARD> 123"]


@pytest.mark.parametrize("digits", [12, 19, 20, 32])
def test_unchecked_digits_are_a_card_or_stay_as_they_were(digits: int) -> None:
    """Without the check, up to 19 digits in a row are a card; more are none, and get no label beside them."""
    masked = mask_values(Scrub((Find("credit_card", check=False),)), ["4" * digits])

    assert masked == ["<CREDIT_CARD>" if digits <= 19 else "4" * digits]


def test_finding_is_masked_as_a_column_of_its_domain_is() -> None:
    """An address in a note gets the pseudonym that it has in the column of addresses."""
    rules = dm.Ruleset(
        [
            dm.Rule("email", Email(), domain="person.email", normalize=["casefold"]),
            dm.Rule("note", Scrub((Find("email", mask=Email(), domain="person.email", normalize=("casefold",)),))),
        ]
    )
    table = pa.table({"email": ["Ann@corp.com", "bob@corp.com"], "note": ["was ann@corp.com", "now BOB@corp.com!"]})

    masked = dm.mask_table(table, rules, dm.Key.generate()).to_pylist()

    assert [row["note"] for row in masked] == [f"was {masked[0]['email']}", f"now {masked[1]['email']}!"]


def test_domain_with_two_masks_is_refused() -> None:
    """A finding cannot be masked in a domain whose column has another mask: nothing would match."""
    finding = Find("email", mask=Fpe(alphabet="alphanumeric"), domain="person.email")
    rules = dm.Ruleset([dm.Rule("email", Email(), domain="person.email"), dm.Rule("note", Scrub((finding,)))])

    with pytest.raises(PlanError, match="two masks"):
        dm.mask_table(pa.table({"email": ["a@b.cd"], "note": [""]}), rules, dm.Key.generate())


def test_longest_of_overlapping_findings_decides() -> None:
    """An address inside of a URL goes with the URL."""
    assert mask_values(Scrub(("email", "url")), ["see https://x.org/?m=ann@corp.com now"]) == ["see <URL> now"]


def test_findings_that_overlap_in_part_are_hidden_together() -> None:
    """Where no finding covers the others, nothing of any of them stays."""
    scrub = Scrub((Find(pattern="abcd", label="one", mask=Redact()), Find(pattern="cdefg", label="two")))

    assert mask_values(scrub, ["xabcdefgx"]) == ["x<TWO>x"]


def test_finding_that_its_mask_cannot_take_gets_its_label() -> None:
    """A finding is hidden even where its mask refuses it; the note is no mismatch."""
    scrub = Scrub((Find("email", mask=CreditCard()),))

    assert mask_values(scrub, ["to ann@corp.com"]) == ["to <EMAIL>"]


def test_words_are_found_whole_and_the_longest_first() -> None:
    """A word list finds whole words and phrases of any script, in any case unless told otherwise."""
    scrub = Scrub((Find(words=("Ann", "Mary Ann", "O'Neil", "Zoë", "山田"), label="name"),))
    notes = ["Mary Ann met “Ann”, zoë O'Neil and Joanna", "ANN's 山田-Zoëlla", "Mary, Ann", "Mary"]

    masked = mask_values(scrub, notes)

    assert masked == ["<NAME> met “<NAME>”, <NAME> <NAME> and Joanna", "<NAME>'s <NAME>-Zoëlla", "Mary, <NAME>", "Mary"]


def test_phrase_does_not_go_over_the_end_of_a_value() -> None:
    """The last word of one note and the first of the next are no phrase."""
    assert mask_values(Scrub((Find(words=("Mary Ann",)),)), ["Mary", "Ann"]) == ["Mary", "Ann"]


@pytest.mark.parametrize("chained", [False, True])
def test_report_says_how_many_findings_of_each_kind_there_were(tmp_path: Path, key: dm.Key, chained: bool) -> None:
    """Each finding counts once for every record that has it, whether or not the mask saw its text only once."""
    note = "ann@corp.com, bob@corp.com and 212-555-0147"
    notes = pa.table({"note": [note, None, *["to ann@corp.com"] * 30, "nothing", "Ann"]})
    (tmp_path / "in").mkdir()
    pq.write_table(notes, tmp_path / "in" / "notes.parquet")
    mask = Scrub(("email", "phone", "iban", Find(words=("Ann",), label="Name")))
    rules = dm.Ruleset([dm.Rule("note", Chain((mask, Case("upper"))) if chained else mask)])

    report = dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), rules, key)

    found = {finding.message for finding in report.findings if "found:" in finding.message}
    assert found == {f"{'chain' if chained else 'scrub'} found: email 32, iban 0, name 1, phone 1"}
    assert dm.Report.from_dict(report.to_dict()) == report


@pytest.mark.parametrize(
    ("masker", "message"),
    [
        (Scrub(()), "name something"),
        (Scrub((Find(),)), "one of what, pattern and words"),
        (Scrub((Find("email", pattern="x"),)), "one of what, pattern and words"),
        (Scrub((Find(pattern="("),)), "regular expression"),
        (Scrub((Find(pattern="x*"),)), "nothing is"),
        (Scrub((Find(words=("--",)),)), "letter or digit"),
        (Scrub((Find("email", mask=Shuffle()),)), "whole columns"),
        (Scrub((Find("email", mask=RegexReplace("(")),)), "regular expression"),
    ],
)
def test_search_that_makes_no_sense_is_refused(masker: Scrub, message: str) -> None:
    """What cannot be looked for, and masks that cannot mask findings, are refused before anything is read."""
    with pytest.raises(PlanError, match=message):
        masker.plan(pa.field("note", pa.string()), Limits())


def test_rulesets_write_findings_as_they_write_rules(tmp_path: object) -> None:
    """A file names recognisers, or says more about each; unknown words in it are refused."""
    text = """
version: 1
rules:
  - field: note
    mask:
      type: scrub
      find: [phone, {what: email, mask: {type: email, mail_domain: keep}, domain: person.email}, {words: [Ann]}]
"""
    rules = dm.Ruleset.from_yaml(text)

    found = (Find("email", mask=Email(mail_domain="keep"), domain="person.email"), Find(words=("Ann",)))
    assert rules.rules[0].mask == Scrub(("phone", *found))
    assert dm.Ruleset.from_yaml(rules.to_yaml()) == rules
    with pytest.raises(dm.DmengineError, match="wat"):
        dm.Ruleset.from_yaml(text.replace("what:", "wat:"))
