"""The few functions that a user calls: thin, over the modules that do the work."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from dmengine import checking, frames, naming, planview, previewing, recovery, registry, running
from dmengine.columns import masked_columns
from dmengine.counts import Counts
from dmengine.decisions import Rulebook
from dmengine.engine import Batch, Engine
from dmengine.errors import DmengineError, KeyringError, PlanError, RunError, shielded
from dmengine.eventlog import EventLog, followed
from dmengine.executors import ExecutorChoice
from dmengine.journal import Journal, unfinished
from dmengine.keyring import Key, hold
from dmengine.maskfindings import check_unique
from dmengine.partplans import plan_part
from dmengine.paths import FieldPath
from dmengine.planning import Plan, make_plan
from dmengine.records import TableRecords
from dmengine.report import Report
from dmengine.rules import Ruleset
from dmengine.sealing import Settings
from dmengine.spi import Described, Finding, Side, Sink, Source, Store
from dmengine.unmasking import way_back

if TYPE_CHECKING:
    import pandas as pd

Rules = Ruleset | str | Path
_SAMPLED = 1000
_STORES = "dmengine.stores"


def run(
    source: Source,
    target: Sink,
    ruleset: Rules,
    key: Key,
    *,
    workers: int | None = None,
    executor: ExecutorChoice = "threads",
    resume: Literal["auto"] | None = "auto",
    on_failure: Literal["discard", "keep"] = "discard",
    remask: bool = False,
    journal: str | Path | Store | None = None,
    progress: bool | None = None,
    log: str | Path | EventLog | None = None,
    strict: bool = False,
) -> Report:
    """Mask everything in `source` into `target`: all of it, or nothing becomes visible.

    Args:
        source: Where the records are.
        target: Where the masked records go; the source itself to mask in place.
        ruleset: The rules, or the path of a YAML file.
        key: The root key; `Key.load("env:DMENGINE_KEY")`.
        workers: Parts at once; for a single part, batches at once. None: one for each processor.
        executor: "threads", "processes", or a `concurrent.futures.Executor` of yours.
        resume: "auto" takes up an unfinished run of the same source, target, ruleset and key.
        on_failure: "keep" leaves sealed parts for `resume` when the run fails; "discard" leaves nothing.
        remask: Mask objects in place that an earlier run has masked already.
        journal: Where the journal goes: a folder, an `s3://bucket/prefix/` (written with the target's session), or a
            store; None: `_dmengine/` beside the target.
        progress: Show a progress bar; None: on a terminal or in a notebook.
        log: Where events go as JSON lines: a file, "-" (standard error), "stdout:", "cloudwatch:GROUP[:STREAM]", or a
            log of a plugin's. A log that fails does not stop the run: the report warns of what got lost.
        strict: Refuse to run where the check beforehand finds anything to warn of, or may not look.

    Raises:
        PlanError: the rules do not fit the data or the target; nothing was written.
        DmengineError: anything else that stopped the run; the message says what, where, and what to do.
    """
    rules = as_ruleset(ruleset)
    settings = Settings(workers, executor, resume, on_failure, remask, journal_at(journal, target), progress)
    with followed(log, target, source) as following:
        described, plan = _planned(source, target, rules, _checked(key), scan=False, strict=strict)
        report = running.start(source, target, rules, key, settings, described, plan).go()
    return following.told(report)


def plan(
    source: Source, target: Sink, ruleset: Rules, key: Key, *, full: bool = False, strict: bool = False
) -> planview.PlanView:
    """Say what a run would do, field by field, and what would stop it. No side effects.

    Args:
        source: Where the records are.
        target: Where the masked records would go.
        ruleset: The rules, or the path of a YAML file.
        key: The root key, of which only the fingerprint is shown.
        full: Look at the field names of every record of documents, not of a sample.
        strict: Take what the check of source and target warns of, or may not look at, as what stops a run.
    """
    described, made = _planned(source, target, as_ruleset(ruleset), _checked(key), scan=True, full=full, strict=strict)
    return planview.PlanView(made, described.outcomes)


def check(source: Source, target: Sink | None = None, *, probe: bool = True, strict: bool = False) -> checking.Checks:
    """Look whether a job would work, and whether it is safe: identities, rights, and how its places are set up.

    >>> from dmengine.connectors import LocalFiles
    >>> print(check(LocalFiles(".")).status)
    passed

    Args:
        source: Where the records are.
        target: Where the masked records would go.
        probe: Prove the rights to write with a small object below `_dmengine/`, which is removed again. Without,
            nothing is written, and these rights are unknown.
        strict: Take warnings, and what may not be looked at, for failures.
    """
    places: list[tuple[Side, object]] = [("source", source)]
    places += [("target", target)] if target is not None else []
    return checking.look(places, probe=probe, strict=strict)


def preview(source: Source, ruleset: Rules, key: Key, *, rows: int = 10, datasets: int = 5) -> previewing.Preview:
    """Show a few masked records beside the shape of their originals. Reads a sample, writes nothing."""
    rules = as_ruleset(ruleset)
    described = naming.described(source, rules, _checked(key))
    return previewing.preview_of(source, described, rules, key, rows, datasets)


def resume(
    source: Source,
    target: Sink,
    ruleset: Rules,
    key: Key,
    *,
    run_id: str | None = None,
    workers: int | None = None,
    executor: ExecutorChoice = "threads",
    on_failure: Literal["discard", "keep"] = "keep",
    journal: str | Path | Store | None = None,
    progress: bool | None = None,
    log: str | Path | EventLog | None = None,
) -> Report:
    """Finish a run that was killed or that failed with `on_failure="keep"`: only what is left is done.

    A run that had committed is rolled forward; it needs nothing but the target, unless sealed parts are gone: these
    are masked again. `log` takes events as `run` has it.

    Raises:
        RunError: there is no such run, or source, ruleset or key are not what they were.
    """
    rules = as_ruleset(ruleset)
    store = journal_at(journal, target) or target.journal()
    settings = Settings(workers, executor, "auto", on_failure, False, store, progress)
    with followed(log, target, source) as following:
        report = _resumed(source, target, rules, key, run_id, settings, store)
    return following.told(report)


def _resumed(
    source: Source, target: Sink, rules: Ruleset, key: Key, run_id: str | None, settings: Settings, store: Store
) -> Report:
    found = _pick(store, run_id, recovery.clear_unbegun(store, target))
    if (manifest := found.finished()) is not None:
        found.forget(keep="manifest.json")
        return Report.from_dict(manifest)
    if found.committed() is not None:
        return recovery.roll_forward(source, target, rules, found, _checked(key), settings)
    described, made = _planned(source, target, rules, _checked(key), scan=False)
    identity = running.identify(described, target, rules, key)
    changed = recovery.differences(found.identity() or {}, identity)
    if changed:
        raise RunError(
            f"run {found.run_id} cannot go on: {', '.join(changed)} changed since it began",
            hint="put back what changed, or discard it (`dmengine clean`) and run anew",
        )
    return running.Run(source, target, rules, key, settings, described, made, found).go()


def clean(
    target: Sink,
    *,
    source: Source | None = None,
    run_id: str | None = None,
    journal: str | Path | Store | None = None,
) -> tuple[str, ...]:
    """End what crashed runs have left at a target: discard what is not committed, publish what is.

    Returns:
        The ids of the runs that were ended.

    Raises:
        RunError: a run is still being driven, or something could not be removed (it is named).
    """
    store = journal_at(journal, target) or target.journal()
    chosen = [_pick(store, run_id)] if run_id else unfinished(store)
    for found in chosen:
        if found.finished() is not None:
            found.forget(keep="manifest.json")
        elif found.committed() is not None:
            recovery.roll_forward(source, target, None, found)
        elif (left := recovery.discard(source, target, found)).names:
            hint = "remove them by hand" + ("; the run itself has ended" if left.denied else ", then clean again")
            raise RunError(f"run {found.run_id} leaves {', '.join(left.names)}", hint=hint)
    return tuple(found.run_id for found in chosen)


def mask_table(table: pa.Table, ruleset: Rules, key: Key, *, dataset: str = "table") -> pa.Table:
    """Mask an Arrow table in memory; nested columns and dictionaries included.

    >>> from dmengine.maskers import Redact
    >>> from dmengine.rules import Rule
    >>> table = pa.table({"name": ["Ann", None]})
    >>> mask_table(table, Ruleset([Rule("name", Redact())]), Key.generate()).to_pydict()
    {'name': ['*', None]}

    Args:
        table: What to mask; it is not changed.
        ruleset: The rules, or the path of a YAML file.
        key: The root key.
        dataset: The name that the ruleset's datasets are matched with.
    """
    hold(_checked(key))
    made = plan_part(as_ruleset(ruleset), dataset, table.schema)
    for step in made.steps:
        if len(step.decision.path.steps) == 1 and not step.container:
            check_unique(step.decision, table[step.given.name])
    engine = Engine(made, key, dataset)
    firsts = itertools.accumulate((len(batch) for batch in table.to_batches()), initial=0)
    given = [Batch(TableRecords(batch), first) for batch, first in zip(table.to_batches(), firsts, strict=False)]
    ready = shielded(partial(masked_columns, engine, given, Counts())) if made.works_on_columns else engine
    masked = [shielded(partial(ready.mask, batch))[0] for batch in given]
    batches = [records.batch for records in masked if isinstance(records, TableRecords)]
    assert made.schema_out is not None
    return pa.Table.from_batches([_as_schema(batch, made.schema_out) for batch in batches], made.schema_out)


def _as_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def mask_frame(frame: pd.DataFrame, ruleset: Rules, key: Key, *, dataset: str = "frame") -> pd.DataFrame:
    """Mask a pandas DataFrame in memory; dtypes and row order stay.

    >>> import pandas as pd
    >>> from dmengine.maskers import Redact
    >>> from dmengine.rules import Rule
    >>> mask_frame(pd.DataFrame({"name": ["Ann"]}, index=[7]), Ruleset([Rule("name", Redact())]), Key.generate())
      name
    7    *

    An index with a name is a field like any other, and needs a rule. One without a name stays if it only numbers rows.
    """
    return shielded(partial(frames.mask_frame, frame, lambda table: mask_table(table, ruleset, key, dataset=dataset)))


def unmask_table(table: pa.Table, ruleset: Rules, key: Key, *, dataset: str = "table") -> pa.Table:
    """Turn a masked table back, where its masks are reversible (`fpe`, `tokenize`); all other fields stay masked.

    >>> from dmengine.maskers import Tokenize
    >>> from dmengine.rules import Rule
    >>> rules, key = Ruleset([Rule("name", Tokenize())]), Key.generate()
    >>> unmask_table(mask_table(pa.table({"name": ["Ann", None]}), rules, key), rules, key).to_pydict()
    {'name': ['Ann', None]}

    Args:
        table: What `mask_table` or a run has made; it is not changed.
        ruleset: The rules that it was masked by, or the path of their YAML file.
        key: The root key that it was masked with.
        dataset: The name that the ruleset's datasets are matched with.

    Raises:
        PlanError: no mask of the ruleset is reversible, or one that is stands under a condition.
        MaskError: a value was not made by this mask with this key (as far as the mask can tell).
    """
    return mask_table(table, way_back(as_ruleset(ruleset)), key, dataset=dataset)


def unmask_frame(frame: pd.DataFrame, ruleset: Rules, key: Key, *, dataset: str = "frame") -> pd.DataFrame:
    """Turn a masked pandas DataFrame back, where its masks are reversible, as `unmask_table` does."""
    return mask_frame(frame, way_back(as_ruleset(ruleset)), key, dataset=dataset)


def as_ruleset(ruleset: Rules) -> Ruleset:
    """Return a checked ruleset, read from YAML where a path is given."""
    if isinstance(ruleset, Ruleset):
        ruleset.validate()
        return ruleset
    return Ruleset.from_yaml(Path(ruleset))


def _checked(key: Key) -> Key:
    if not isinstance(key, Key):
        raise KeyringError("no key was given", hint='load one: Key.load("env:DMENGINE_KEY"); or Key.generate()')
    return key


def journal_at(journal: str | Path | Store | None, target: Sink) -> Store | None:
    """Return the store that `journal=` means; one that is named by its URL is called with the target's session.

    >>> from dmengine.connectors import LocalFiles
    >>> journal_at("journals", LocalFiles("out"))
    LocalStore(root='journals')

    Raises:
        PluginError: no installed store is named by such a URL.
        PlanError: it is not a whole URL.
    """
    if journal is None or not isinstance(journal, (str, Path)):
        return journal
    text = str(journal)
    scheme, colon, rest = text.partition(":") if isinstance(journal, str) else ("", "", "")
    if not rest.startswith("//") and colon and scheme in registry.names(_STORES):
        raise PlanError(f"journal={text} is neither a folder nor a URL", hint=f"write {scheme}://..., or ./{text}")
    if not rest.startswith("//"):
        scheme = "file"
    cls = registry.load(_STORES, scheme)
    takes_session = "session" in getattr(cls, "__dataclass_fields__", ())
    given = {"session": getattr(target, "session", None)} if takes_session else {}
    store: Store = cls(text.removeprefix("file://"), **given)
    return store


def _pick(store: Store, run_id: str | None, never_begun: Sequence[str] = ()) -> Journal:
    runs = unfinished(store)
    if run_id is not None:
        runs = [found for found in runs if found.run_id == run_id]
    if not runs and (killed := [run for run in never_begun if run_id in (None, run)]):
        what = f"run {killed[0]} was killed before it had begun, and has left nothing to resume"
        raise RunError(what, hint="start it with `run` (`dmengine mask`)")
    if not runs:
        what = f"no unfinished run {run_id}" if run_id else "no unfinished run"
        raise RunError(f"there is {what} at {store.location}", hint="start it with `run` (`dmengine mask`)")
    if len(runs) > 1:
        names = ", ".join(found.run_id for found in runs)
        raise RunError(f"there are {len(runs)} unfinished runs: {names}", hint="say which: run_id=... (`--run`)")
    return runs[0]


def _planned(
    source: Source, target: Sink, rules: Ruleset, key: Key, *, scan: bool, full: bool = False, strict: bool = False
) -> tuple[Described, Plan]:
    described = naming.described(source, rules, key)
    limits = target.limits(described)
    documents: dict[str, list[FieldPath]] = {}
    problems: list[Finding] = list(checking.dangers(source, target, strict=strict))
    for info in described.datasets if scan else ():
        if info.schema is None:
            try:
                with naming.told({info.name: info.shown}):
                    documents[info.name] = shielded(partial(_fields_of, source, info.name, rules, full=full))
            except DmengineError as error:
                problems.append(Finding("error", error.message, info.shown, error.hint))
    described = Described(
        described.kind, described.location, described.datasets, described.fingerprint, described.outcomes,
        (*described.findings, *problems, *naming.in_place_finding(described, target.location)),
    )  # fmt: skip
    return described, make_plan(described, target.location, limits, rules, key.fingerprint, documents)


def _fields_of(source: Source, dataset: str, rules: Ruleset, *, full: bool) -> list[FieldPath]:
    """List the paths that a dataset of documents holds: in its first records, or in all of them."""
    rulebook = Rulebook.of(rules, dataset)
    found: dict[FieldPath, None] = {}
    with closing(source.sample(dataset, 1 << 62 if full else _SAMPLED)) as stream:
        for records in stream.batches:
            paths = list(records.fields(rulebook.opened))
            unnamed = set(rulebook.undecided(records, paths))
            found |= dict.fromkeys(p for p in paths if p in unnamed or rulebook.decide(p) is not None)
    return list(found)
