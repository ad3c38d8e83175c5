"""`dmengine demo`: mask a made-up shop here and across AWS accounts, and prove that its joins survive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dmengine import api
from dmengine.demo.proofs import prove_joins
from dmengine.demo.shop import check_installed, make_shop
from dmengine.jobfile import load_job
from dmengine.report import Report

__all__ = ["demo"]


def demo(folder: Path, scale: float, say: Callable[[str], None] = print) -> tuple[Report, Report]:
    """Make the shop in `folder`, mask it as its job file says, then on S3, and check the joins.

    Args:
        folder: A new folder, or an earlier demo's, which is made anew.
        scale: TPC-H scale factor; 0.6 makes a million rows.
        say: Where the story goes.

    Returns:
        The reports of the local run, and of the run from bucket to bucket.

    Raises:
        PluginError: the extra `demo` is not installed.
        RunError: a join of the masked data lost rows, or something else does not hold.
    """
    check_installed()
    rows = make_shop(folder, scale, say)
    say(f"Made {rows:,} rows of customers (parquet), orders (CSV) and people (JSON Lines, gzip) in {folder}/original")
    here = _mask_here(folder, say)
    there = _mask_on_s3(folder, say)
    say(_heading("to look at"))
    for what, name in (
        ("the reports as pages", "report.html, report-s3.html"), ("the masked files", "masked/, masked-on-s3/"),
        ("the job and its rules", "job.yaml, rules.yaml"),
    ):  # fmt: skip
        say(f"  {what:<22} in {folder}: {name}")
    return here, there


def _mask_here(folder: Path, say: Callable[[str], None]) -> Report:
    job = load_job(folder / "job.yaml")
    key = job.load_key()
    say(_heading("dmengine plan job.yaml"))
    say(str(api.plan(job.source, job.target, job.ruleset, key)))
    say(_heading("dmengine mask job.yaml"))
    report = api.run(job.source, job.target, job.ruleset, key)
    for path in job.reports:
        report.save(path)
    say(str(report))
    say(_heading("ten masked people, beside the shape of the originals"))
    say(str(api.preview(job.source, job.ruleset, key, rows=10).tables[-1].to_text()))
    say(_heading("the joins"))
    prove_joins(folder / "original", folder / "masked", say)
    return report


def _mask_on_s3(folder: Path, say: Callable[[str], None]) -> Report:
    from dmengine.demo.cloud import mask_on_s3  # moto takes seconds to import, and may not be installed

    say(_heading("the same on S3: from account B to account C, by a process in account A"))
    report = mask_on_s3(folder, load_job(folder / "job.yaml").load_key(), say, _heading)
    for name in ("report-s3.html", "report-s3.json"):
        report.save(folder / name)
    return report


def _heading(text: str) -> str:
    return f"\n--- {text} {'-' * (82 - len(text))}\n"
