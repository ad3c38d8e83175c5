"""`dmengine`: the same jobs from a shell."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from dmengine import api, checking, registry
from dmengine.commands import COMMANDS, Command
from dmengine.connectionfile import load_connection_file, places_of
from dmengine.errors import DmengineError, KeyringError, PlanError, PluginError, RulesetError, StoreError
from dmengine.eventlog import followed
from dmengine.jobfile import Job, load_job
from dmengine.report import Report, unwritable
from dmengine.rules import Ruleset
from dmengine.spi import Side
from dmengine.versions import version
from dmengine.yamlfile import load_document, read_text

DONE, REFUSED, FAILED, UNCLEAN, INTERRUPTED = 0, 2, 3, 4, 130
_EXIT_CODES = """exit codes:
  0    done
  2    refused before anything was done: usage, job file, ruleset, plan, key, plugin
  3    failed: the data, a store or the run; nothing new is visible (after COMMIT: `resume` finishes it)
  4    finished, but something is left over, or a report could not be written; the output names it
  130  interrupted
"""
_LOG = "add events there as JSON lines: a file, - (standard error), stdout: or cloudwatch:GROUP[:STREAM]"
_STRICT = "refuse where the check beforehand warns of anything, or may not look"
_CHECK_CODES = """exit codes:
  0    all is well
  1    something to know (a warning), or not known; with --strict it is 2
  2    something that stops a run, or the file cannot be read
  3    the page could not be written
"""
_REFUSALS = (RulesetError, PlanError, KeyringError, PluginError)
_INTERRUPTED = """interrupted
  A run that had not committed is discarded, or kept for `resume` where the job says on_failure: keep.
  One that had committed is finished by `dmengine resume`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    >>> main(["plan", "no-such-job.yaml"])
    2
    """
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        with _log_to(None if "report" in options else options.log):  # what makes a report tells there what got lost
            return command(options)
    except DmengineError as error:
        print(f"{_kind(error)}: {error}", file=sys.stderr)
        return REFUSED if isinstance(error, _REFUSALS) else FAILED
    except KeyboardInterrupt:
        print(_INTERRUPTED, file=sys.stderr)
        return INTERRUPTED


def _kind(error: DmengineError) -> str:
    """Return the name that docs/errors.md knows an error by; a connector's own kinds are children of those."""
    return next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ == DmengineError.__module__)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dmengine", description="Mask data where it lives: keyed, consistent, all or nothing.",
        epilog=_EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"dmengine {version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(commands, "mask", _mask, "mask what the job names", _add_mask_options)
    _command(commands, "plan", _plan, "say what `mask` would do, field by field; change nothing", _add_plan_options)
    about = "look whether a job, or a connection, would work, and is safe"
    _command(commands, "check", _check, about, _add_check_options)
    _command(commands, "preview", _preview, "show a few masked records beside the shape of the originals", _add_rows)
    _command(commands, "resume", _resume, "finish a run that was killed", _add_resume_options)
    _command(commands, "clean", _clean, "discard what killed runs have left; publish what had committed", _add_run_id)
    importing = commands.add_parser(
        "import-datamasque", help="print a ruleset of DataMasque as one of dmengine, and what could not be carried"
    )
    importing.add_argument("file", type=Path, help="the YAML of the ruleset")
    importing.add_argument("--log", metavar="LOG", help=_LOG)
    importing.set_defaults(command=_import_datamasque)
    demo = commands.add_parser("demo", help="mask a made-up shop in a new folder, and prove that its joins survive")
    demo.add_argument("--folder", type=Path, default=Path("demo-output"), help="where (default: demo-output)")
    demo.add_argument("--scale", type=_above_zero(float), default=0.6,
                      help="TPC-H scale factor (default: 0.6, 1 million rows)")  # fmt: skip
    demo.add_argument("--log", metavar="LOG", help=_LOG)
    demo.set_defaults(command=_demo)
    for name in registry.names(COMMANDS):
        if name not in commands.choices:  # nobody's plugin takes the place of a command of the engine
            _plugin(commands, name)
    return parser


def _plugin(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str) -> None:
    """Add a command of a plugin; one that cannot be loaded says so when it is called, and stops no other."""
    problem: PluginError | None = None
    try:
        plugin: Command = registry.load(COMMANDS, name)()
    except PluginError as error:
        problem = error
    if problem is not None:
        parser = commands.add_parser(name, help="cannot be loaded; call it to see why")
        parser.set_defaults(command=partial(_refuse, problem))
    else:
        parser = commands.add_parser(name, help=plugin.about, description=plugin.about)
        plugin.add_options(parser)
        parser.set_defaults(command=partial(plugin.run, load_job=load_job))
    parser.add_argument("--log", metavar="LOG", help=_LOG)


def _refuse(problem: PluginError, _: argparse.Namespace) -> int:
    raise problem


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], int],
    about: str,
    add_options: Callable[[argparse.ArgumentParser], None],
) -> None:
    parser = commands.add_parser(name, help=about, description=about)
    parser.add_argument("job", type=Path, help="the job file (YAML or JSON)")
    parser.add_argument("--log", metavar="LOG", help=_LOG)
    add_options(parser)
    parser.set_defaults(command=command)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=_above_zero(int), metavar="N",
                        help="parts at once (default: the job's, or one for each processor)")  # fmt: skip
    parser.add_argument("--report", type=Path, action="append", default=[], metavar="FILE",
                        help="also write the report there: .json, .md, .html or .txt; may be repeated")  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no report on standard output")


def _add_mask_options(parser: argparse.ArgumentParser) -> None:
    _add_run_options(parser)
    parser.add_argument("--strict", action="store_true", help=_STRICT)
    parser.add_argument("--remask", action="store_true", help="mask objects in place that are masked already")


def _add_resume_options(parser: argparse.ArgumentParser) -> None:
    _add_run_options(parser)
    _add_run_id(parser)
    parser.set_defaults(remask=False)


def _add_run_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", metavar="ID", help="which run, where there are several")


def _add_plan_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strict", action="store_true", help=_STRICT)
    parser.add_argument("--full", action="store_true", help="look at the field names of every record of documents")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a page")


def _add_check_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _CHECK_CODES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--table", action="append", default=[], metavar="NAME",
                        help="a table of a database's connection to look at, too; may be repeated")  # fmt: skip
    parser.add_argument("--no-probe", action="store_true", help="write nothing: the rights to write are then unknown")
    parser.add_argument("--strict", action="store_true", help="take warnings, and what is unknown, for failures")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a page")


def _add_rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=_above_zero(int), default=10, metavar="N",
                        help="records of each dataset (default: 10)")  # fmt: skip
    parser.add_argument("--datasets", type=_above_zero(int), default=5, metavar="N",
                        help="how many datasets (default: 5)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def _above_zero(kind: type[int] | type[float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value

    number.__name__ = "number above zero"  # argparse calls it that: "invalid number above zero value: '-1'"
    return number


def _import_datamasque(options: argparse.Namespace) -> int:
    ruleset, not_carried = Ruleset.from_datamasque(options.file)
    print(ruleset.to_yaml(), end="")
    for note in not_carried:
        print(note, file=sys.stderr)
    return DONE


def _mask(options: argparse.Namespace) -> int:
    job = _job(options)
    report = api.run(
        job.source, job.target, job.ruleset, job.load_key(), workers=job.workers, executor=job.executor,
        on_failure=job.on_failure, remask=job.remask, journal=job.journal, progress=False if options.quiet else None,
        log=options.log or job.log, strict=job.strict or options.strict,
    )  # fmt: skip
    return _reported(report, job, options)


def _resume(options: argparse.Namespace) -> int:
    job = _job(options)
    report = api.resume(
        job.source, job.target, job.ruleset, job.load_key(), run_id=options.run, workers=job.workers,
        executor=job.executor, journal=job.journal, progress=False if options.quiet else None,
        log=options.log or job.log,
    )  # fmt: skip
    return _reported(report, job, options)


def _job(options: argparse.Namespace) -> Job:
    job = load_job(options.job)
    if options.workers is not None:
        job = replace(job, workers=options.workers)
    problems = [f"--report {path}: {problem}" for path in options.report if (problem := unwritable(path))]
    if problems:
        raise RulesetError("; ".join(problems), hint="choose another name")
    return replace(job, remask=job.remask or options.remask, reports=(*job.reports, *options.report))


def _reported(report: Report, job: Job, options: argparse.Namespace) -> int:
    if not options.quiet:
        _say(report)
    unwritten = 0
    for path in job.reports:
        try:
            report.save(path)
        except StoreError as error:
            unwritten += 1
            print(f"the run is finished, but its report {error}", file=sys.stderr)
    return UNCLEAN if report.leftovers or unwritten else DONE


def _plan(options: argparse.Namespace) -> int:
    job = load_job(options.job)
    if options.html and (problem := unwritable(options.html)):
        raise RulesetError(f"--html {options.html}: {problem}", hint="choose another name")
    strict = job.strict or options.strict
    view = api.plan(job.source, job.target, job.ruleset, job.load_key(), full=options.full, strict=strict)
    _say(json.dumps(view.to_dict(), indent=2) if options.json else view)
    if options.html:
        view.save(options.html)
    return DONE if view.ok else REFUSED


def _check(options: argparse.Namespace) -> int:
    if options.html and (problem := unwritable(options.html)):
        raise RulesetError(f"--html {options.html}: {problem}", hint="choose another name")
    places, strict = _places(options.job, tuple(options.table))
    checks = checking.look(places, probe=not options.no_probe, strict=strict or options.strict)
    width = shutil.get_terminal_size((120, 24)).columns
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    _say(json.dumps(checks.to_dict(), indent=2) if options.json else checks.to_text(width=width, colour=colour))
    if options.html:
        checks.save(options.html)
    return checks.exit_code


def _places(path: Path, tables: tuple[str, ...]) -> tuple[list[tuple[Side, object]], bool]:
    """Return what a job, or a connection with tables, uses as what; and whether a job is strict."""
    written = load_document(read_text(path), path.name).data
    if not isinstance(written, dict) or {"source", "target", "ruleset"} & written.keys():
        if tables:
            raise RulesetError("a job says itself what it masks", hint="leave --table out")
        job = load_job(path)
        return [("source", job.source), ("target", job.target)], job.strict
    return places_of(load_connection_file(path), tables), False


def _preview(options: argparse.Namespace) -> int:
    job = load_job(options.job)
    shown = api.preview(job.source, job.ruleset, job.load_key(), rows=options.rows, datasets=options.datasets)
    _say(json.dumps(shown.to_dict(), indent=2) if options.json else shown)
    return DONE


def _clean(options: argparse.Namespace) -> int:
    job = load_job(options.job)
    ended = api.clean(job.target, source=job.source, run_id=options.run, journal=job.journal)
    _say(f"ended: {', '.join(ended)}" if ended else "nothing to clean")
    return DONE


def _demo(options: argparse.Namespace) -> int:
    from dmengine.demo import demo  # its data comes from packages of the extra `demo`

    demo(options.folder, options.scale, _say)
    return DONE


def _say(text: object) -> None:
    """Print. When nobody reads any more (`| head`), the command goes on all the same."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end


@contextmanager
def _log_to(log: str | None) -> Iterator[None]:
    """Let a log take the events of a command that makes no report, and say on standard error what it lost."""
    with followed(log) as following:
        yield
    if following.lost is not None:
        print(f"warning: {following.lost.message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
