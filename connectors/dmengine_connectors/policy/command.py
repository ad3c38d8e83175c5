"""`dmengine policy`: writes the policies that jobs and connections need, or compares those that there are with them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmengine.errors import at

if TYPE_CHECKING:
    from dmengine_connectors.access.compare import Comparison
    from dmengine_connectors.policy.uses import Place
    from dmengine_connectors.policy.written import Policies

DONE, REFUSED, WIDE = 0, 2, 4
_EXIT_CODES = """exit codes with --diff:
  0  the policies grant what is needed, and no more
  2  something is missing, so that a run would be refused; or the policies would let the source be deleted
  4  a run would warn of something missing, the policies are too wide, or a condition decides that only AWS can tell
"""


class PolicyCommand:
    """The command, as `dmengine.commands` wants it."""

    about = "write the policies that jobs or connections need, or say what existing ones lack; ask nothing of AWS"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add what the command takes."""
        parser.epilog, parser.formatter_class = _EXIT_CODES, argparse.RawDescriptionHelpFormatter
        parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="job files and connection files")
        parser.add_argument("--principal", default="", metavar="ARN", help="the role or user that runs dmengine")
        parser.add_argument("--table", action="append", default=[], metavar="NAME",
                            help="a DynamoDB table to mask; may be repeated")  # fmt: skip
        parser.add_argument("--key", action="append", default=[], metavar="ARN",
                            help="a KMS key that the source is encrypted with; may be repeated")  # fmt: skip
        parser.add_argument("--event-log", default="", metavar="GROUP", help="the log group that run events go to")
        parser.add_argument("--explain", action="store_true", help="say why each action is there")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--diff", type=Path, action="append", default=[], metavar="POLICY",
                            help="compare with this policy (JSON); repeated: all policies of one identity")  # fmt: skip
        parser.add_argument("--of", default="", metavar="WHOSE",
                            help="whose that is: an ARN, or a bucket's name (default: whom it fits best)")  # fmt: skip

    def run(self, options: argparse.Namespace, load_job: Callable[[Path], Any]) -> int:
        """Write or compare policies, and return the exit code."""
        existing = [_policy(path) for path in options.diff]
        found = _policies(options, load_job)
        if existing:
            return _compared(found.diff(*existing, of=options.of), options.json)
        if options.json:
            _say(json.dumps(found.to_dict(), indent=2))
        else:
            _say(f"{found}\n\n{found.explained()}" if options.explain else found)
        return DONE


def _policies(options: argparse.Namespace, load_job: Callable[[Path], Any]) -> Policies:
    from dmengine_connectors.policy.writing import policies_for

    runs: list[tuple[Place | None, Place | None, object]] = []
    key, event_log = "", options.event_log
    for path in options.files:
        place, side = _connection(path)
        if place is not None:
            runs.append((place if side != "target" else None, place if side != "source" else None, None))
        else:
            job = load_job(path)
            runs.append((job.source, job.target, job.journal))
            key, event_log = key or job.key, event_log or _event_log(job.log)
    return policies_for(
        runs, principal=options.principal, tables=options.table, keys=options.key, key=key, event_log=event_log
    )


def _event_log(log: Any) -> Any:
    """Return the log of a job, if it is one of CloudWatch Logs."""
    from dmengine_connectors.eventlog import CloudWatchLog

    if isinstance(log, str) and log.startswith("cloudwatch:"):
        return CloudWatchLog.named(log.removeprefix("cloudwatch:"))
    return log if isinstance(log, CloudWatchLog) else ""


def _connection(path: Path) -> tuple[Any, str]:
    """Return the connection in a file and the side that it is for; None if it is a job file."""
    from dmengine.yamlfile import load_document, read_text
    from dmengine_connectors.connections.loading import load_connection

    written = load_document(read_text(path), path.name).data
    if not isinstance(written, dict) or "source" in written or not written.keys() & {"type", "db_type"}:
        return None, ""
    found = load_connection(path)
    sides = [
        side for side, key in (("source", "is_file_mask_source"), ("target", "is_file_mask_destination"))
        if getattr(found, key, True)
    ]  # fmt: skip
    return found, sides[0] if len(sides) == 1 else ""


def _policy(path: Path) -> Any:
    from dmengine.yamlfile import read_text
    from dmengine_connectors.access.existing import existing_policy, policy_of

    with at(file=path.name):
        found = policy_of(read_text(path))
        return [existing_policy(one) for one in found] if isinstance(found, list) else existing_policy(found)


def _compared(found: Comparison, as_json: bool) -> int:
    _say(json.dumps(found.to_dict(), indent=2) if as_json else found)
    if found.lacking or found.dangers:
        return REFUSED
    return WIDE if found.missing or found.unsure or found.wide else DONE


def _say(text: object) -> None:
    """Print. When nobody reads any more (`| head`), the exit code is the same."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
