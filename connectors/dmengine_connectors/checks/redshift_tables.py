"""Looks whether a Redshift table can be unloaded and loaded: its kind, its columns, and the rights on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dmengine.errors import PlanError
from dmengine.spi import Check, Side
from dmengine_connectors.checks.redshift_sql import SqlError, Statements
from dmengine_connectors.redshift_quoting import identifier, literal, qualified, split_table

_KINDS: Final = {
    "v": "a view",
    "m": "a materialized view",
    "f": "an external table",
    "S": "a sequence",
    "i": "an index",
}
# UNLOAD to Parquet: https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html
_REFUSED: Final = re.compile(
    r"(geometry|geography|hllsketch|varbyte|binary varying|bytea|time\b|timetz|interval)", re.I
)
_ALWAYS: Final = re.compile(r'^"?identity"?\(')
_BY_DEFAULT: Final = re.compile(r"^default_identity\(")


@dataclass(frozen=True, slots=True)
class _Table:
    statements: Statements
    name: str
    schema: str
    table: str
    user: str

    @property
    def subject(self) -> str:
        return f"table {self.name}"

    @property
    def sql(self) -> str:
        return qualified(self.name)

    def check(self, name: str, fine: bool, answer: str, remedy: str = "") -> Check:
        return Check(f"redshift.{name}", "passed" if fine else "failed", self.subject, answer, "SQL", remedy)

    def warning(self, name: str, answer: str, remedy: str) -> Check:
        return Check(f"redshift.{name}", "warning", self.subject, answer, "SQL", remedy)


def table_checks(statements: Statements, name: str, side: Side) -> Iterator[Check]:
    """Look at a table, as the source that is unloaded or as the target that is loaded.

    Args:
        statements: Where to ask.
        name: The table, as schema.table.
        side: What it is to be used as.
    """
    try:
        schema, table = split_table(name)
    except PlanError as error:
        yield Check("redshift.table", "failed", "the table", error.message, "", error.hint)
        return
    try:
        user = str(statements.one("SELECT current_user"))
        yield from _looked(_Table(statements, name, schema, table, user), side)
    except SqlError as error:
        late = "the cluster did not answer in time" if error.is_late else f"the cluster answered {error.code}"
        hint = "check again, when the cluster is awake and less busy" if error.is_late else error.hint
        yield Check("redshift.table", "unknown", f"table {name}", f"it cannot be looked at: {late}", "SQL", hint)


def _looked(table: _Table, side: Side) -> Iterator[Check]:
    found = table.statements.rows(
        "SELECT c.relkind, pg_get_userbyid(c.relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = {literal(table.schema)} AND c.relname = {literal(table.table)}"
    )
    if not found:
        yield _elsewhere(table)
        return
    kind, owner = str(found[0][0]), str(found[0][1])
    if kind not in ("r", "p"):
        hint = "mask the tables that it is made of"
        yield table.check("table", False, f"it is {_KINDS.get(kind, 'no table')}; only tables can be masked", hint)
        return
    yield table.check("table", True, f"it is a table, owned by {owner}")
    owns = owner == table.user or bool(
        table.statements.rows(f"SELECT 1 FROM pg_user WHERE usename = {literal(table.user)} AND usesuper")
    )
    if not table.statements.one(f"SELECT has_schema_privilege({literal(table.schema)}, 'usage')"):
        grant = f"GRANT USAGE ON SCHEMA {identifier(table.schema)} TO {identifier(table.user)}"
        yield table.check("usage", False, f"{table.user} may not use the schema {table.schema}", grant)
        return
    yield from _rights(table, side, owns)
    yield from _columns(table, side, owns)


def _elsewhere(table: _Table) -> Check:
    """Say what a name is that no table of the database has."""
    schema = literal(table.schema)
    external = table.statements.rows(f"SELECT eskind FROM svv_external_schemas WHERE schemaname = {schema}")
    if external and int(external[0][0]) == 4:  # a schema for another database of the cluster, or of a datashare
        hint = "mask it in the cluster and database that it belongs to"
        return table.check("table", False, f"the schema {table.schema} is of a datashare or another database", hint)
    if external:
        hint = "mask its files where they lie, with a connection to S3"
        return table.check(
            "table", False, f"the schema {table.schema} is external: its tables are files or another's", hint
        )
    near = table.statements.rows(
        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = lower({schema}) AND c.relname = lower({literal(table.table)})"
    )
    if near:
        return table.check(
            "table", False, "there is no such table; one in lower case there is", "write it in lower case"
        )
    there = table.statements.rows(f"SELECT 1 FROM pg_namespace WHERE nspname = {schema}")
    told = "there is no such table in the schema" if there else f"there is no schema {table.schema} in the database"
    return table.check("table", False, told, "check database, schema and name")


def _rights(table: _Table, side: Side, owns: bool) -> Iterator[Check]:
    wanted = {"select": "UNLOAD reads the rows"}
    if side != "source":
        wanted |= {"insert": "COPY writes the masked rows", "delete": "the unmasked rows are taken out"}
    for right, reason in wanted.items():
        has = bool(table.statements.one(f"SELECT has_table_privilege({literal(table.sql)}, {literal(right)})"))
        grant = f"GRANT {right.upper()} ON {table.sql} TO {identifier(table.user)}"
        told = f"{table.user} may {'' if has else 'not '}{right.upper()}: {reason}"
        yield table.check(right, has, told, "" if has else grant)
    if side == "source":
        return
    if owns:
        yield table.check("owner", True, f"{table.user} owns it, and may also TRUNCATE, VACUUM and ANALYZE it")
    else:
        told = f"{table.user} does not own it: rows are replaced by DELETE, and neither TRUNCATE nor VACUUM can be done"
        yield table.warning(
            "owner", told, f"ALTER TABLE {table.sql} OWNER TO {identifier(table.user)}; or VACUUM it as owner"
        )


def _columns(table: _Table, side: Side, owns: bool) -> Iterator[Check]:
    columns = [
        (str(name), str(kind), str(default or ""))
        for name, kind, default in table.statements.rows(
            "SELECT column_name, data_type, column_default FROM svv_columns "
            f"WHERE table_schema = {literal(table.schema)} AND table_name = {literal(table.table)} "
            "ORDER BY ordinal_position"
        )
    ]
    if not columns:
        told = f"its columns are not shown to {table.user}"
        grant = f"GRANT SELECT ON {table.sql} TO {identifier(table.user)}"
        yield Check("redshift.columns", "unknown", table.subject, told, "SQL", grant)
        return
    refused = [f"{name} ({kind})" for name, kind, _ in columns if _REFUSED.match(kind)]
    if refused:
        hint = "leave the table out, or move these columns to a table of their own: Parquet cannot carry them back"
        yield table.check("columns", False, f"UNLOAD to Parquet refuses the types of: {', '.join(refused)}", hint)
    else:
        yield table.check("columns", True, f"Parquet carries the types of all {len(columns)} columns")
    if zoned := [name for name, kind, _ in columns if kind in ("timestamp with time zone", "timestamptz")]:
        told = f"times lose their zone in Parquet, and come back as UTC: {', '.join(zoned)}"
        yield table.warning("zones", told, "nothing, if the moment is what counts: that stays the same")
    if texts := [name for name, kind, _ in columns if kind == "super"]:
        told = f"SUPER travels as JSON text, and COPY refuses one over 65,535 bytes: {', '.join(texts)}"
        yield table.warning("super", told, "check how long they are: SELECT max(len(json_serialize(...)))")
    if side != "source":
        yield from _identities(table, columns, owns)


def _identities(table: _Table, columns: list[tuple[str, str, str]], owns: bool) -> Iterator[Check]:
    always = [name for name, _, default in columns if _ALWAYS.match(default)]
    given = [name for name, _, default in columns if _BY_DEFAULT.match(default)]
    if always and not owns:
        told = f"IDENTITY columns keep their numbers only by EXPLICIT_IDS, which wants the owner: {', '.join(always)}"
        hint = f"ALTER TABLE {table.sql} OWNER TO {identifier(table.user)}, or log in as the owner"
        yield table.check("identity", False, told, hint)
    elif always or given:
        told = "IDENTITY columns keep their numbers; the cluster does not look whether they are unique: "
        yield table.warning(
            "identity", told + ", ".join(always + given), "do not mask them; let no one insert meanwhile"
        )
