"""The second act of the demo: the same shop, from a bucket in one AWS account to a bucket in another."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from dmengine import api
from dmengine.connectors import S3Files, SessionFactory
from dmengine.demo import accounts
from dmengine.demo.proofs import check, prove_consistent, prove_joins
from dmengine.demo.server import Server
from dmengine.errors import StoreError
from dmengine.keyring import Key
from dmengine.report import Report
from dmengine.tables import Document, Table

Say = Callable[[str], None]

_SOURCE: Final = f"s3://{accounts.BUCKET_B}/original/"
_TARGET: Final = f"s3://{accounts.BUCKET_C}/masked/"
_CALLS: Final = {
    accounts.A: {"sts AssumeRole"},
    accounts.B: {f"s3 read {accounts.BUCKET_B}"},
    accounts.C: {f"s3 read {accounts.BUCKET_C}", f"s3 write {accounts.BUCKET_C}"},
}
"""What each account's role should be seen to do: whatever else is seen is a defect."""


def mask_on_s3(folder: Path, key: Key, say: Say, heading: Callable[[str], str]) -> Report:
    """Mask the shop's files from B to C by a process in A, and prove what there is to prove.

    Raises:
        RunError: something that must hold does not.
    """
    rules = folder / "rules.yaml"
    with Server() as server, accounts.three_accounts(server, folder / "original") as owner_of_c:
        say(_stage(server))
        a = SessionFactory(region=accounts.REGION, endpoint_url=server.url)
        b, c = a.assume(accounts.ROLE_B, external_id=accounts.EXTERNAL_ID), a.assume(accounts.ROLE_C)
        source, target = S3Files(_SOURCE, session=b), S3Files(_TARGET, session=c)
        _prove_refusals(a, say)
        server.calls.clear()
        say("\n" + _without_fields(api.plan(source, target, rules, key).document()) + "\n")
        report = api.run(source, target, rules, key)
        calls = dict(server.calls)
        say(_without_fields(report.document()))
        _download(owner_of_c, folder / "masked-on-s3")
        say(heading("the joins, in the bucket of C and across the two runs"))
        prove_joins(folder / "original", folder / "masked-on-s3", say)
        say("")
        prove_consistent(folder / "masked", folder / "masked-on-s3", say)
        say(heading("as whom dmengine called, and what is left in C"))
        _prove_callers(calls, say)
        _prove_clean(owner_of_c, report, say)
    return report


def _stage(server: Server) -> str:
    rows = [
        (f"A {accounts.A}", "this process", accounts.ROLE_A),
        (f"B {accounts.B}", _SOURCE, f"{accounts.ROLE_B}, with an external id"),
        (f"C {accounts.C}", _TARGET, accounts.ROLE_C),
    ]
    told = f"moto stands in for AWS at {server.url}, as three accounts. The real one is out of reach.\n\n"
    return told + Table("", ("account", "has", "dmengine is there"), rows).to_text()


def _prove_refusals(a: SessionFactory, say: Say) -> None:
    """Show what is refused: A without a role, and a role without its external id."""
    say("\nWithout a role, A may not list the bucket of B:\n")
    say(_refusal(lambda: S3Files(_SOURCE, session=a).describe()))
    say("\nWithout the external id, the role in B does not trust A:\n")
    say(_refusal(a.assume(accounts.ROLE_B).verify))


def _refusal(work: Callable[[], object]) -> str:
    refusal = ""
    try:
        work()
    except StoreError as error:
        refusal = str(error)
    check(bool(refusal), "the stand-in for AWS allowed what its policies forbid")
    return "\n".join(
        textwrap.fill(line, 118, initial_indent="  ", subsequent_indent="    ", break_long_words=False)
        for line in refusal.splitlines()
    )


def _without_fields(page: Document) -> str:
    """Return a page without its tables of fields: they are those of the first run."""
    tables = [table for table in page.tables if "field" not in table.columns]
    return Document(page.title, page.facts, tables, page.verdict, page.tone).to_text()


def _download(owner: SessionFactory, folder: Path) -> None:
    s3 = owner.client("s3")
    folder.mkdir()
    for found in s3.list_objects_v2(Bucket=accounts.BUCKET_C, Prefix="masked/", Delimiter="/")["Contents"]:
        s3.download_file(accounts.BUCKET_C, found["Key"], str(folder / found["Key"].rpartition("/")[2]))


def _prove_callers(calls: Mapping[tuple[str, str], int], say: Say) -> None:
    """Show who planned and ran, as the server saw it: each bucket is used by its account's role, B's to read alone."""
    say(Table("", ("called as", "what", "times"), [(*made, times) for made, times in sorted(calls.items())]).to_text())
    seen: dict[str, set[str]] = {}
    for caller, call in calls:
        seen.setdefault(caller.split(":")[4] if caller else "unknown", set()).add(call)
    check(seen == _CALLS, "a call was made as somebody else than the role that it needs")


def _prove_clean(owner: SessionFactory, report: Report, say: Say) -> None:
    """Show that no upload is open in C, and that nothing lies there but the masked objects and the manifest."""
    s3 = owner.client("s3")
    uploads = s3.list_multipart_uploads(Bucket=accounts.BUCKET_C).get("Uploads", [])
    keys = {found["Key"] for found in s3.list_objects_v2(Bucket=accounts.BUCKET_C)["Contents"]}
    manifest = f"masked/_dmengine/{report.run_id}/manifest.json"
    masked = {f"masked/{output.location}" for output in report.outputs}
    say(f"\n  {len(uploads)} uploads are open, and {len(masked & keys)} masked objects are there;")
    say(f"  beside them {len(keys - masked)} other: {', '.join(keys - masked)}")
    check(not uploads and keys == masked | {manifest}, "the run has left something behind, or something is missing")
