"""Names, texts and role chains as Redshift's SQL takes them; nothing of ours gets into SQL by another way."""

from __future__ import annotations

import re
from typing import Final

from dmengine.errors import PlanError

_LONGEST_NAME: Final = 127  # bytes: https://docs.aws.amazon.com/redshift/latest/dg/r_names.html
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/(?:[\w+=,.@/-]*/)?[\w+=.@-]{1,64}", re.ASCII)
_START_OF_ROLE: Final = re.compile(r",(?=arn:aws)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PART: Final = re.compile(r'"(?:[^"]|"")+"|[^".]+')


def identifier(name: str) -> str:
    """Write the name of a schema, a table or a column.

    >>> print(identifier('a"b'))
    "a""b"

    Raises:
        PlanError: Redshift has no such name, or UNLOAD could not carry it: one with a backslash.
    """
    if not name or "\\" in name or _CONTROL.search(name) or len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        raise PlanError(
            "a name cannot be written in Redshift's SQL",
            hint=f"names have 1 to {_LONGEST_NAME} bytes, and neither a backslash nor a control character",
        )
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    r"""Write a text. A statement that holds literals is written the same way, as UNLOAD takes it.

    >>> print(literal("it's"), literal("a\\b"))
    'it''s' 'a\\b'
    >>> print(literal("select " + literal("it's")))
    'select ''it''''s'''

    Raises:
        PlanError: a NUL is in it, which no text of Redshift's may hold.
    """
    if "\x00" in text:
        raise PlanError("a text with a NUL character cannot be written in SQL", hint="take the NUL out")
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def split_table(table: str) -> tuple[str, str]:
    """Return the schema and the table of `schema.table`; without a schema it is `public`.

    >>> split_table("crm.users"), split_table("users"), split_table('"odd.schema".users')
    (('crm', 'users'), ('public', 'users'), ('odd.schema', 'users'))

    Raises:
        PlanError: it is not one or two names with a dot between.
    """
    parts = _PART.findall(table)
    if not 1 <= len(parts) <= 2 or ".".join(parts) != table:
        raise PlanError("a table is not named as schema.table", hint='quote a name that holds a dot: "a.b".users')
    names = [part[1:-1].replace('""', '"') if part.startswith('"') else part for part in parts]
    for name in names:
        identifier(name)
    return (names[0], names[1]) if len(names) == 2 else ("public", names[0])


def qualified(table: str) -> str:
    """Write a table as SQL names it.

    >>> print(qualified("crm.users"))
    "crm"."users"
    """
    schema, name = split_table(table)
    return f"{identifier(schema)}.{identifier(name)}"


def role_chain(text: str) -> tuple[str, ...]:
    """Return the roles that a cluster assumes, one by the other, of what IAM_ROLE takes: ARNs with commas between.

    >>> role_chain("arn:aws:iam::222222222222:role/RoleB,arn:aws:iam::111111111111:role/RoleA")
    ('arn:aws:iam::222222222222:role/RoleB', 'arn:aws:iam::111111111111:role/RoleA')

    Raises:
        PlanError: there is a space, or a part is no role's ARN; says which part.
    """
    if re.search(r"\s", text):
        raise PlanError("there is a space in the chain of roles", hint="write the ARNs with a comma between, no space")
    roles = tuple(_START_OF_ROLE.split(text))
    for number, role in enumerate(roles, 1):
        if not _ROLE.fullmatch(role) or "," in role.rpartition("/")[2]:
            raise PlanError(
                f"part {number} of the chain of roles is not the ARN of a role",
                hint="write arn:aws:iam::ACCOUNT:role/NAME for each, the cluster's own role first",
            )
    if len(set(roles)) < len(roles):
        raise PlanError("a role is twice in the chain of roles", hint="name each role once, the cluster's own first")
    return roles


def iam_role(roles: tuple[str, ...]) -> str:
    """Write a chain of roles as UNLOAD and COPY take it. They take nothing else of ours: never a key.

    >>> print(iam_role(("arn:aws:iam::222222222222:role/RoleB",)))
    IAM_ROLE 'arn:aws:iam::222222222222:role/RoleB'
    """
    return f"IAM_ROLE {literal(','.join(role_chain(','.join(roles))))}"
