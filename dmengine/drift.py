"""Plans the objects of a source by their schemas: each distinct one once, however many objects have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa

from dmengine.decisions import Rulebook
from dmengine.foldernames import folders
from dmengine.partplans import PartPlan, plan_part
from dmengine.rules import Ruleset
from dmengine.spi import Finding, Limits

_SCHEMAS_SHOWN: Final = 5
_FIELDS_SHOWN: Final = 5
_LONGEST_TYPE: Final = 60

Kind = tuple[tuple[int, ...], tuple[str, ...], bytes]
"""What decides how an object is planned: its dataset in the ruleset, the fields of its folders, its schema."""


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans parts by one ruleset, and remembers the plan of each schema.

    Schemas are distinct by their fields; what they have of metadata goes along with each.
    """

    ruleset: Ruleset
    limits: Mapping[str, Limits] = field(default_factory=dict)
    _plans: dict[Kind, PartPlan] = field(default_factory=dict, repr=False, compare=False)

    def plan(self, dataset: str, schema: pa.Schema | None) -> PartPlan:
        """Return the plan of a part, as `plan_part` does."""
        kind = self.kind(dataset, schema)
        known = self._plans.get(kind)
        if known is None:
            known = self._plans[kind] = plan_part(self.ruleset, dataset, schema, self.limits)
        old = known.rulebook
        book = Rulebook(dataset, old.rules, old.ruleset, old._seen, old._types)  # what it knows stays
        if schema is None or known.schema_out is None:
            return replace(known, rulebook=book)
        out = known.schema_out.with_metadata(schema.metadata)
        return replace(known, rulebook=book, schema_in=schema, schema_out=out)

    def kind(self, dataset: str, schema: pa.Schema | None) -> Kind:
        """Return what decides how an object is planned."""
        group = tuple(number for number, one in enumerate(self.ruleset.datasets) if one.matches(dataset))
        if self.ruleset.datasets and len(group) != 1:
            group = (*group, hash(dataset))  # it is refused, and the error names it
        stored = b"" if schema is None else schema.remove_metadata().serialize().to_pybytes()
        return group, tuple(dict.fromkeys(folder.field for folder in folders(dataset))), stored


@dataclass(slots=True)
class Refused:
    """What stops a run, once for all objects of one schema."""

    _found: list[list[Any]] = field(default_factory=list)
    _by_kind: dict[Kind, list[Any]] = field(default_factory=dict)

    def note(self, kind: Kind, finding: Finding) -> None:
        """Keep what was found in an object."""
        self._found.append([finding, 0])
        self._by_kind.setdefault(kind, self._found[-1])

    def again(self, kind: Kind) -> bool:
        """Count one more object of a schema that was refused; say no if it was not."""
        if kind in self._by_kind:
            self._by_kind[kind][1] += 1
        return kind in self._by_kind

    def findings(self) -> Iterator[Finding]:
        """Name the first object of each schema, and say how many others are like it."""
        for finding, others in self._found:
            more = f" and {others:,} more like it" if others else ""
            yield replace(finding, where=finding.where + more)


@dataclass(slots=True)
class Seen:
    """The objects of one schema."""

    first: str
    schema: pa.Schema
    count: int = 0


@dataclass(slots=True)
class Drift:
    """Counts the schemas of each dataset of a ruleset, and says how they differ."""

    _seen: dict[str, dict[Kind, Seen]] = field(default_factory=dict)

    def note(self, group: str, kind: Kind, name: str, schema: pa.Schema | None) -> None:
        """Count an object, by the name that may be shown."""
        if schema is not None:
            self._seen.setdefault(group, {}).setdefault(kind, Seen(name, schema)).count += 1

    def findings(self) -> Iterator[Finding]:
        """Say of each dataset whose objects have several schemas how many there are, and how they differ."""
        for group, kinds in self._seen.items():
            seen = sorted(kinds.values(), key=lambda one: -one.count)
            if len(seen) > 1:
                most, *others = seen
                told = [f"{most.count:,} like {most.first}"]
                told += [f"{o.count:,} like {o.first} ({_differences(most.schema, o.schema)})" for o in others]
                more = f"; and {len(told) - _SCHEMAS_SHOWN} more" if len(told) > _SCHEMAS_SHOWN else ""
                total = sum(one.count for one in seen)
                message = f"{total:,} objects have {len(seen)} schemas: {'; '.join(told[:_SCHEMAS_SHOWN])}{more}"
                yield Finding("info", message, group)


def _differences(usual: pa.Schema, other: pa.Schema) -> str:
    """Say how a schema differs from the usual one, by the names and types of its fields.

    >>> usual = pa.schema({"id": pa.int64(), "fax": pa.string()})
    >>> _differences(usual, pa.schema({"id": pa.int32(), "ssn": pa.string()}))
    'has ssn; lacks fax; id is int32, not int64'
    """
    mine, theirs = ({one.name: one for one in schema} for schema in (usual, other))
    added, lacking = [name for name in theirs if name not in mine], [name for name in mine if name not in theirs]
    told = [f"{word} {_listed(names)}" for word, names in (("has", added), ("lacks", lacking)) if names]
    both = [(mine[name], theirs[name]) for name in mine if name in theirs]
    told += [f"{a.name} is {_type(b)}, not {_type(a)}" for a, b in both if a.type != b.type][:_FIELDS_SHOWN]
    told += [f"{a.name} {'may' if b.nullable else 'cannot'} be null" for a, b in both if a.nullable != b.nullable]
    return "; ".join(told) or "its fields are in another order, or have other metadata"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _FIELDS_SHOWN} more" if len(names) > _FIELDS_SHOWN else ""
    return ", ".join(names[:_FIELDS_SHOWN]) + more


def _type(one: pa.Field) -> str:
    text = str(one.type)
    return text if len(text) <= _LONGEST_TYPE else f"{text[: _LONGEST_TYPE - 3]}..."
