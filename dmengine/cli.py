"""`dmengine`: the same jobs from a shell."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dmengine import api
from dmengine.errors import DmengineError, KeyringError, PlanError, PluginError, RulesetError, StoreError
from dmengine.jobfile import Job, load_job
from dmengine.logs import JsonLines, logger
from dmengine.report import Report
from dmengine.versions import version

DONE, UNEXPECTED, REFUSED, FAILED, LEFTOVERS, INTERRUPTED = 0, 1, 2, 3, 4, 130
_EXIT_CODES = """exit codes:
  0    done
  2    refused before anything was done: usage, job file, ruleset, plan, key, plugin
  3    failed on the way; nothing is visible at the target (or, after COMMIT, `resume` finishes it)
  4    finished, but something could not be cleaned up; the report names it
  130  interrupted
"""
_REFUSALS = (RulesetError, PlanError, KeyringError, PluginError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    >>> main(["plan", "no-such-job.yaml"])
    2
    """
    options = _parser().parse_args(arguments)
    _log_to(options.log)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except DmengineError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return REFUSED if isinstance(error, _REFUSALS) else FAILED
    except KeyboardInterrupt:
        print("interrupted; what was not committed is discarded", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dmengine", description="Mask data where it lives: keyed, consistent, all or nothing.",
        epilog=_EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"dmengine {version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(commands, "mask", _mask, "mask what the job names", _add_run_options)
    _command(commands, "plan", _plan, "say what `mask` would do, field by field; change nothing", _add_plan_options)
    _command(commands, "preview", _preview, "show a few masked records beside the shape of the originals", _add_rows)
    _command(commands, "resume", _resume, "finish a run that was killed", _add_resume_options)
    _command(commands, "clean", _clean, "discard what killed runs have left; publish what had committed", _add_run_id)
    demo = commands.add_parser("demo", help="mask a made-up shop in a new folder, and prove that its joins survive")
    demo.add_argument("--folder", type=Path, default=Path("demo-output"), help="where (default: demo-output)")
    demo.add_argument("--scale", type=float, default=0.6, help="TPC-H scale factor (default: 0.6, 1 million rows)")
    demo.add_argument("--log", metavar="FILE", help="write run events there as JSON lines; - is standard error")
    demo.set_defaults(command=_demo)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], int],
    about: str,
    add_options: Callable[[argparse.ArgumentParser], None],
) -> None:
    parser = commands.add_parser(name, help=about, description=about)
    parser.add_argument("job", type=Path, help="the job file (YAML or JSON)")
    parser.add_argument("--log", metavar="FILE", help="write run events there as JSON lines; - is standard error")
    add_options(parser)
    parser.set_defaults(command=command)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, help="parts at once (default: the job's, or one for each processor)")
    parser.add_argument("--report", type=Path, action="append", default=[], metavar="FILE",
                        help="also write the report there: .json, .md, .html or .txt; may be repeated")  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no report on standard output")
    parser.add_argument("--remask", action="store_true", help="mask objects in place that are masked already")


def _add_resume_options(parser: argparse.ArgumentParser) -> None:
    _add_run_options(parser)
    _add_run_id(parser)


def _add_run_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", metavar="ID", help="which run, where there are several")


def _add_plan_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--full", action="store_true", help="look at the field names of every record of documents")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a page")


def _add_rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=10, help="records a dataset (default: 10)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _mask(options: argparse.Namespace) -> int:
    job = _job(options)
    report = api.run(
        job.source, job.target, job.ruleset, job.load_key(), workers=job.workers, executor=job.executor,
        on_failure=job.on_failure, remask=job.remask, journal=job.journal, progress=False if options.quiet else None,
    )  # fmt: skip
    return _reported(report, job, options)


def _resume(options: argparse.Namespace) -> int:
    job = _job(options)
    report = api.resume(
        job.source, job.target, job.ruleset, job.load_key(), run_id=options.run, workers=job.workers,
        executor=job.executor, journal=job.journal, progress=False if options.quiet else None,
    )  # fmt: skip
    return _reported(report, job, options)


def _job(options: argparse.Namespace) -> Job:
    job = load_job(options.job)
    if options.workers is not None:
        job = replace(job, workers=options.workers)
    return replace(job, remask=job.remask or options.remask, reports=(*job.reports, *options.report))


def _reported(report: Report, job: Job, options: argparse.Namespace) -> int:
    if not options.quiet:
        print(report)
    for path in job.reports:
        write_report(report, path)
    return LEFTOVERS if report.leftovers else DONE


def write_report(report: Report, path: Path) -> None:
    """Write a report in the form that the file's name asks for."""
    forms = {".json": report.to_json, ".md": report.to_markdown, ".html": report.to_html}
    text = forms.get(path.suffix, lambda: f"{report}\n")()
    problem = ""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = error.strerror or "refused"
    if problem:
        raise StoreError(f"the run is finished, but its report cannot be written to {path}: {problem}",
                         hint="the manifest under _dmengine/ holds the same report")  # fmt: skip


def _plan(options: argparse.Namespace) -> int:
    job = load_job(options.job)
    view = api.plan(job.source, job.target, job.ruleset, job.load_key(), full=options.full)
    print(json.dumps(view.to_dict(), indent=2) if options.json else view)
    if options.html:
        options.html.write_text(view.to_html(), encoding="utf-8")
    return DONE if view.ok else REFUSED


def _preview(options: argparse.Namespace) -> int:
    job = load_job(options.job)
    shown = api.preview(job.source, job.ruleset, job.load_key(), rows=options.rows)
    print(json.dumps(shown.to_dict(), indent=2, ensure_ascii=False) if options.json else shown)
    return DONE


def _clean(options: argparse.Namespace) -> int:
    job = load_job(options.job)
    ended = api.clean(job.target, source=job.source, run_id=options.run, journal=job.journal)
    print(f"ended: {', '.join(ended)}" if ended else "nothing to clean")
    return DONE


def _demo(options: argparse.Namespace) -> int:
    from dmengine.demo import demo  # its data comes from packages of the extra `demo`

    demo(options.folder, options.scale)
    return DONE


def _log_to(target: str | None) -> None:
    if not target:
        return
    handler: logging.Handler = logging.StreamHandler(sys.stderr) if target == "-" else logging.FileHandler(target)
    handler.setFormatter(JsonLines())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


if __name__ == "__main__":
    sys.exit(main())
