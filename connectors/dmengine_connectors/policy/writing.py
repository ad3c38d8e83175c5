"""Writes policies: goes along each chain of roles, and gives everybody on it what the next step takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dmengine.errors import PlanError
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.needs_dynamodb import source_is_kept
from dmengine_connectors.access.needs_keys import secret_needs
from dmengine_connectors.access.places import ANY, Account, KmsKey, S3Place, partition_of
from dmengine_connectors.access.statements import (
    BUCKET_LIMIT,
    IDENTITY_LIMIT,
    KEY_LIMIT,
    MANAGED_POLICIES,
    TRUST_LIMIT,
    VERSION,
    Document,
    Statement,
    document,
    size,
    smallest,
    statements,
)
from dmengine_connectors.eventlog import CloudWatchLog
from dmengine_connectors.policy.document import Written, granting
from dmengine_connectors.policy.uses import Place, Use, Wanted, log_use, uses
from dmengine_connectors.policy.written import Policies
from dmengine_connectors.session_roles import Role

PRINCIPAL: Final = "arn:aws:iam::ACCOUNT:role/ROLE"
"""What stands for whoever runs dmengine, until somebody says who that is."""
_PRINCIPAL_ARN: Final = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):(?:role|user)/[\x21-\x7e]+", re.ASCII)
_SHORT_HINT: Final = "arn:aws:iam::<12 digits of the account>:role/<name>, or ...:user/<name>"


def policies(
    source: Place | Sequence[Place] | None = None,
    target: Place | Sequence[Place] | None = None,
    *,
    principal: str = "",
    tables: Sequence[str] = (),
    keys: Sequence[str] = (),
    key: str = "",
    event_log: str | CloudWatchLog = "",
    journal: object = None,
) -> Policies:
    """Write the smallest policies with which a run works, and nothing warns. Asks nothing of AWS.

    Args:
        source: What is masked: a connector, or a connection; several of them, if their policies go together.
        target: Where it goes.
        principal: The ARN of the role or user that runs dmengine.
        tables: The DynamoDB tables to mask.
        keys: The KMS keys that the source's objects or tables are encrypted with.
        key: Where the masking key is, as `Key.load` takes it.
        event_log: The log group that the events of a run go to, or `CloudWatchLog(...)`.
        journal: Where the journal lies, if not beside the target.

    >>> from dmengine_connectors.files import S3Files
    >>> me = "arn:aws:iam::111111111111:role/DM-Role"
    >>> found = policies(S3Files("s3://crm/in/"), S3Files("s3://test/out/"), principal=me)
    >>> found.identity["Statement"][0]["Sid"], sorted(found.buckets)
    ('SourceBucketRead', ['crm', 'test'])

    Raises:
        PlanError: the principal is no ARN, a table is not named, or the masked table would be the source.
    """
    runs = [(one, other, journal) for one, other in _pairs(source, target)]
    return policies_for(runs, principal=principal, tables=tables, keys=keys, key=key, event_log=event_log)


def policies_for(
    runs: Iterable[tuple[Place | None, Place | None, object]],
    *,
    principal: str = "",
    tables: Sequence[str] = (),
    keys: Sequence[str] = (),
    key: str = "",
    event_log: str | CloudWatchLog = "",
) -> Policies:
    """Write the policies of several runs: source, target and journal of each; the rest is as `policies` has it."""
    home = _home(principal)
    found: list[Use] = []
    wanted = Wanted(home, tuple(tables), tuple(keys))
    for source, target, journal in runs:
        found += uses(source, target, replace(wanted, journal=journal))
    here = _here(wanted, found)
    if event_log:
        found.append(log_use(event_log, here, wanted))
    return written_for(found, principal, secret_needs(key, here))


def written_for(found: Sequence[Use], principal: str, own: Iterable[Need] = ()) -> Policies:
    """Write the policies for what is used, by a principal that has needs of its own beside."""
    who = principal or PRINCIPAL
    writer = _Writer(who)
    writer.need(who, own)
    for use in found:
        writer.add(use)
    sources = tuple(dict.fromkeys(use.kept for use in found if use.kept))
    return Policies(who, tuple(writer.policies()), tuple(writer.notes()), sources)


@dataclass(slots=True)
class _Grants:
    """Who may do what on a bucket or a key, across accounts."""

    place: Any
    needs: dict[str, list[Need]] = field(default_factory=dict)


@dataclass(slots=True)
class _Writer:
    """What has been gathered so far."""

    principal: str
    _needs: dict[str, list[Need]] = field(default_factory=dict)
    _kept: dict[str, list[str]] = field(default_factory=dict)
    _trust: dict[str, list[Statement]] = field(default_factory=dict)
    _buckets: dict[str, _Grants] = field(default_factory=dict)
    _keys: dict[str, _Grants] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)

    def need(self, who: str, needs: Iterable[Need]) -> None:
        self._needs.setdefault(who, []).extend(needs)

    def add(self, use: Use) -> None:
        """Add what one use of a place takes: of everybody along the chain, of the buckets and of the keys."""
        who = "" if use.services else self.principal
        identity = ""
        for role in use.chain:
            self._step(who, role, use, identity)
            identity = identity or role.source_identity or ""
            who = role.arn
        managed = [key for key in use.keys if key.managed]
        needs = [need for need in use.needs if not any(_is_on(need, key) for key in managed)]
        self.need(who, needs)
        if use.kept and use.kept not in self._kept.setdefault(who, []):
            self._kept[who].append(use.kept)
        for place in use.buckets:
            self._on_bucket(place, who, needs)
        for key in use.keys:
            self._on_key(key, who, needs)

    def _step(self, who: str, role: Role, use: Use, identity: str) -> None:
        """Let somebody assume a role, on both sides. A source identity goes with all that follow."""
        actions = ["sts:AssumeRole"]
        if role.tags:
            actions.append("sts:TagSession")
        if identity or role.source_identity:
            actions.append("sts:SetSourceIdentity")
        if who:
            reasons = {"sts:AssumeRole": "assume the next role", "sts:TagSession": "say the session's tags",
                       "sts:SetSourceIdentity": "say who it was at first, which all later roles keep"}  # fmt: skip
            self.need(who, [Need(action, role.arn, reasons[action], sid="AssumeRole") for action in actions])
        elif use.external_id:
            # https://docs.aws.amazon.com/redshift/latest/mgmt/authorizing-redshift-service-database-users.html
            self._notes.append(f"{role.arn} trusts Redshift for {use.external_id} alone; other users need one more")
        services = use.services[0] if len(use.services) == 1 else list(use.services)
        statement: Statement = {"Effect": "Allow", "Principal": {"AWS": who} if who else {"Service": services}}
        statement["Action"] = actions[0] if len(actions) == 1 else actions
        if outside := role.external_id if who else use.external_id:
            statement["Condition"] = {"StringEquals": {"sts:ExternalId": outside}}
        trusted = self._trust.setdefault(role.arn, [])
        if statement not in trusted:
            trusted.append(statement)

    def _on_bucket(self, place: S3Place, who: str, needs: Iterable[Need]) -> None:
        grants = self._buckets.setdefault(place.bucket, _Grants(place))
        if ANY in (place.account.number, account_of(who)) or place.account.number != account_of(who):
            mine = [need for need in needs if need.resource == place.arn or need.resource.startswith(f"{place.arn}/")]
            grants.needs.setdefault(who, []).extend(mine)
        if place.account.number == ANY:
            self._note(f"nobody has said which account owns {place.bucket} (expected_owner, bucket_owner): within one "
                       "account its policy needs no more than AllowSSLRequestsOnly")  # fmt: skip

    def _on_key(self, key: KmsKey, who: str, needs: Iterable[Need]) -> None:
        across = key.account.number != account_of(who)
        if key.managed:
            self._note(f"{key.alias} is a key that AWS manages: all of its account may use it through S3, and no "
                       "policy can share it with another account; encrypt with a key of your own")  # fmt: skip
            return
        if key.alias:
            self._note(f"{key.alias} is an alias, which policies do not know: name the key by its ARN")
        if across:
            self._keys.setdefault(key.arn, _Grants(key)).needs.setdefault(who, []).extend(
                n for n in needs if _is_on(n, key)
            )

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)

    # ------------------------------------------------------------------------------------------ the documents

    def policies(self) -> Iterator[Written]:
        """Yield every policy."""
        for who, needs in self._needs.items():
            if needs:
                yield granting("identity", who, self._identity(who), IDENTITY_LIMIT, {who: needs})
        for role, trusted in self._trust.items():
            yield granting("trust", role, {"Version": VERSION, "Statement": trusted}, TRUST_LIMIT)
        for bucket, grants in self._buckets.items():
            yield granting("bucket", bucket, bucket_policy(grants.place, grants.needs), BUCKET_LIMIT, grants.needs)
        for arn, grants in self._keys.items():
            yield granting("key", arn, key_policy(grants.place, grants.needs), KEY_LIMIT, grants.needs)
            for who, each in grants.needs.items():
                yield granting("grant", arn, _grant(grants.place, who, each), KEY_LIMIT)

    def _identity(self, who: str) -> Document:
        found = document(self._needs[who])
        denied = [source_is_kept(table) for table in self._kept.get(who, ())]
        for number, one in enumerate(denied[1:], 2):
            one["Sid"] = f"{one['Sid']}{number}"
        return {**found, "Statement": [*found["Statement"], *denied]}

    def notes(self) -> Iterator[str]:
        """Yield what a person has to know, or to fill in."""
        if self.principal == PRINCIPAL:
            yield f"{PRINCIPAL} stands for the role or user that runs dmengine: say it with principal= (--principal)"
        yield from self._notes
        if self._buckets:
            yield "a bucket has one policy: add these statements to those that are there"
        if self._keys:
            yield "a key's policy takes the place of the one before: keep what its administrators need"
        for one in self.policies():
            yield from _limits(one)


def bucket_policy(place: S3Place, needs: dict[str, list[Need]]) -> Document:
    """Return the policy of a bucket: who may do what there from another account, and TLS for everybody."""
    found: list[Statement] = []
    for number, (who, each) in enumerate(sorted(needs.items()), 1):
        for one in statements(each, who):
            sid = f"{one['Sid']}{f'For{number}' if len(needs) > 1 else ''}"
            found.append({**one, "Sid": sid})
    tls: Statement = {
        "Sid": "AllowSSLRequestsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [place.arn, f"{place.arn}/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    return {"Version": VERSION, "Statement": [*found, tls]}


def key_policy(key: KmsKey, needs: dict[str, list[Need]]) -> Document:
    """Return the policy of a key: its own account decides by IAM, and others may do what they need."""
    root = f"arn:{key.account.partition}:iam::{key.account.number}:root"
    found: list[Statement] = [
        {"Sid": "EnableIAMPolicies", "Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}
    ]
    for number, (who, each) in enumerate(sorted(needs.items()), 1):
        for one in statements(each, who):
            # in the policy of a key, `*` is that key
            sid = f"{one['Sid']}{f'For{number}' if len(needs) > 1 else ''}"
            found.append({**one, "Sid": sid, "Resource": "*"})
    return {"Version": VERSION, "Id": "key-policy", "Statement": found}


def account_of(arn: str) -> str:
    """Return the account in an ARN; `*` where there is none.

    >>> account_of("arn:aws:iam::111111111111:role/DM-Role"), account_of(PRINCIPAL)
    ('111111111111', '*')
    """
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[4].isdigit() else ANY


def _grant(key: KmsKey, who: str, needs: Sequence[Need]) -> Document:
    operations = dict.fromkeys(need.action.removeprefix("kms:") for need in smallest(needs))
    return {"KeyId": key.arn, "GranteePrincipal": who, "Operations": list(operations), "Name": "dmengine"}


def _is_on(need: Need, key: KmsKey) -> bool:
    aliases = need.condition.get("ForAnyValue:StringEquals", {}).get("kms:ResourceAliases", "")
    return need.resource == key.arn and need.action.startswith("kms:") and aliases == key.alias


def _home(principal: str) -> Account:
    if not principal:
        return Account()
    found = _PRINCIPAL_ARN.fullmatch(principal)
    if found is None:
        hint = _SHORT_HINT
        if ":assumed-role/" in principal:
            hint = f"this is a session; name its role: {hint}"
        raise PlanError(f"{principal} is not the ARN of a role or of a user", hint=hint)
    return Account(found[1], ANY, found[2])


def _pairs(source: Any, target: Any) -> Iterator[tuple[Any, Any]]:
    sources, targets = (list(one) if isinstance(one, (list, tuple)) else [one] for one in (source, target))
    longest = max(len(sources), len(targets))
    for number in range(longest):
        yield tuple(one[number] if number < len(one) else None for one in (sources, targets))  # type: ignore[misc]


def _here(wanted: Wanted, found: Sequence[Use]) -> Account:
    """Return where the principal calls what no place says: in its account, and in the region of the first place."""
    regions = [place.account.region for use in found for place in use.buckets if place.account.region != ANY]
    partition = partition_of(regions[0]) if regions else wanted.home.partition
    return Account(partition, regions[0] if regions else ANY, wanted.home.number)


def _limits(one: Written) -> Iterator[str]:
    limit = {"trust": TRUST_LIMIT, "bucket": BUCKET_LIMIT, "key": KEY_LIMIT}.get(one.kind)
    if limit is not None and (length := size(one.document)) > limit:
        what = one.title[0].lower() + one.title[1:]
        yield f"the {what} has {length:,} characters, and AWS takes {limit:,}: ask AWS for more, or split the work"
    if one.kind == "identity" and (parts := len(one.parts)) > 1:
        yield (
            f"the rights of {one.subject} are {parts} managed policies: one takes {IDENTITY_LIMIT:,} characters, "
            f"and a role takes {MANAGED_POLICIES} of them"
        )
