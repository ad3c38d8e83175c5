"""UNLOAD and COPY of Parquet as Redshift does them: by a chain of roles, on the client's own session."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.redshift.standin_wire import Backend, Message, Wire, error, notice

SERVICE_KEY: Final = "ASIAREDSHIFT"
"""The access key of the service itself, which the accounts' stand-in knows as redshift.amazonaws.com."""
_TEXT: Final = r"'((?:[^'\\]|''|\\.)*)'"
_UNLOAD: Final = re.compile(rf"\s*UNLOAD\s*\(\s*{_TEXT}\s*\)\s*TO\s*{_TEXT}\s*IAM_ROLE\s*{_TEXT}(.*)", re.I | re.S)
_COPY: Final = re.compile(rf"\s*COPY\s+(.+?)\s*(\([^)]*\))?\s+FROM\s*{_TEXT}\s*IAM_ROLE\s*{_TEXT}(.*)", re.I | re.S)
_TYPES: Final[dict[int, tuple[pa.DataType, Callable[[str], Any]]]] = {
    16: (pa.bool_(), lambda text: text == "t"),
    20: (pa.int64(), int),
    21: (pa.int16(), int),
    23: (pa.int32(), int),
    701: (pa.float64(), float),
    1700: (pa.decimal128(18, 2), Decimal),
}


class RefusedError(Exception):
    """Redshift ends the statement with this error."""


@dataclass
class Cluster:
    """What a cluster is allowed, and where AWS is.

    Attributes:
        url: The endpoint of S3 and STS.
        region: Where it is.
        attached: The roles that are associated with the cluster.
        no_key: The ARN of a KMS key that the last role may not use; its refusal is what S3 tells of it.
        refuse: An error that ends the next UNLOAD or COPY, whichever is named.
        mute: A statement that is never answered.
        log: The statements that were answered here.
    """

    url: str
    region: str = "eu-west-1"
    attached: Collection[str] = ()
    no_key: str = ""
    refuse: dict[str, str] = field(default_factory=dict)
    mute: str = ""
    log: list[str] = field(default_factory=list)

    def instead(self, sql: str, wire: Wire, backend: Backend) -> bool:
        """Answer an UNLOAD or a COPY from S3; False for all else."""
        if self.mute and sql == self.mute:
            return True
        works: tuple[tuple[re.Pattern[str], Callable[..., int]], ...] = ((_UNLOAD, self._unload), (_COPY, self._copy))
        matches = ((pattern.fullmatch(sql), work) for pattern, work in works)
        found, work = next((one for one in matches if one[0] is not None), (None, self._copy))
        if found is None:
            return False
        self.log.append(sql)
        word = sql.split()[0].upper()
        try:
            if word in self.refuse:
                raise RefusedError(self.refuse[word])
            count = work(backend, *found.groups(""))
            told = notice(f"{word} completed, {count} record(s) {word.lower()}ed successfully.")
            wire.send(told, (b"C", word.encode() + b"\0"), (b"Z", backend.status))
        except RefusedError as problem:
            _fail(wire, backend, error(str(problem)))
        return True

    def _unload(self, backend: Backend, select: str, to: str, roles: str, rest: str) -> int:
        found = backend.query(_unescaped(select))
        if found.error:
            raise RefusedError("the query of UNLOAD cannot be run")
        s3 = self._client(_unescaped(roles))
        bucket, _, prefix = _unescaped(to).removeprefix("s3://").partition("/")
        out = io.BytesIO()
        columns = []
        for at, oid in enumerate(found.types):
            type_, read = _TYPES.get(oid, (pa.string(), str))
            columns.append(pa.array([None if row[at] is None else read(row[at]) for row in found.rows], type_))
        table = pa.Table.from_arrays(columns, names=found.names)
        pq.write_table(table, out, version="1.0", use_deprecated_int96_timestamps=True, store_schema=False)
        if self._asked(s3.list_objects_v2, Bucket=bucket, Prefix=prefix)["KeyCount"]:
            raise RefusedError("Specified unload destination on S3 is not empty. Consider using a different bucket.")
        if not found.rows:
            return 0
        key = f"{prefix}0000_part_00.parquet"
        self._asked(s3.put_object, Bucket=bucket, Key=key, Body=out.getvalue())
        if "MANIFEST" in rest.upper():
            entry = {"url": f"s3://{bucket}/{key}", "meta": {"content_length": len(out.getvalue())}}
            manifest = json.dumps({"entries": [entry]}).encode()
            self._asked(s3.put_object, Bucket=bucket, Key=f"{prefix}manifest", Body=manifest)
        return len(found.rows)

    def _copy(self, backend: Backend, table: str, names: str, source: str, roles: str, rest: str) -> int:
        if re.search(r"\bREGION\b", rest, re.I):
            raise RefusedError("REGION argument is not supported for PARQUET based COPY")
        s3 = self._client(_unescaped(roles))
        bucket, _, key = _unescaped(source).removeprefix("s3://").partition("/")
        assert "MANIFEST" in rest.upper(), "only loads from a manifest are known here"
        entries = json.loads(self._asked(s3.get_object, Bucket=bucket, Key=key)["Body"].read())["entries"]
        count = 0
        for entry in entries:
            bucket, _, key = entry["url"].removeprefix("s3://").partition("/")
            body = self._asked(s3.get_object, Bucket=bucket, Key=key)["Body"].read()
            if len(body) != entry["meta"]["content_length"]:
                raise RefusedError("File size mismatch between the manifest and S3")
            for row in pq.read_table(io.BytesIO(body)).to_pylist():
                values = ", ".join("NULL" if value is None else _literal(str(value)) for value in row.values())
                if (found := backend.query(f"INSERT INTO {table} {names} VALUES ({values})")).error:
                    raise RefusedError(found.error.split(b"\0M", 1)[1].split(b"\0", 1)[0].decode())
                count += 1
        return count

    def _client(self, roles: str) -> Any:
        """Go the chain of roles, and return S3 with the rights of the last."""
        keys = {"aws_access_key_id": SERVICE_KEY, "aws_secret_access_key": "s", "aws_session_token": "of-the-service"}
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        common: dict[str, Any] = {"endpoint_url": self.url, "region_name": self.region, "config": config}
        chain = roles.split(",")
        for number, role in enumerate(chain):
            refusal = f"User arn:aws:redshift:{self.region}:dbuser:c/masker is not authorized to assume IAM Role {role}"
            if number == 0 and role not in self.attached:
                raise RefusedError(refusal)
            try:
                answer = _service("sts", common | keys).assume_role(RoleArn=role, RoleSessionName="redshift")
            except ClientError:
                raise RefusedError(refusal) from None
            given = answer["Credentials"]
            keys = dict(zip(keys, (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]), strict=True))
        return _service("s3", common | keys)

    def _asked(self, call: Callable[..., Any], **parameters: Any) -> Any:
        if self.no_key and call.__name__ in ("put_object", "get_object"):
            action = "kms:GenerateDataKey" if call.__name__ == "put_object" else "kms:Decrypt"
            raise RefusedError(
                f"S3ServiceException:User is not authorized to perform: {action} on resource: {self.no_key} because no "
                "identity-based policy allows the action,Status 403,Error AccessDenied,Rid STANDIN,CanRetry 1"
            )
        try:
            return call(**parameters)
        except ClientError as problem:
            said, code = problem.response["Error"].get("Message", ""), problem.response["Error"]["Code"]
            status = problem.response["ResponseMetadata"]["HTTPStatusCode"]
            raise RefusedError(
                f"S3ServiceException:{said},Status {status},Error {code},Rid STANDIN,CanRetry 1"
            ) from None


def _service(name: str, facts: dict[str, Any]) -> Any:
    return boto3.client(name, **facts)  # type: ignore[call-overload]


def _fail(wire: Wire, backend: Backend, told: Message) -> None:
    """Tell an error, and let the client's transaction fail as PostgreSQL would."""
    if backend.status == b"T":
        backend.query("select 1/0")
    wire.send(told, (b"Z", backend.status))


def _unescaped(text: str) -> str:
    return re.sub(r"''|\\(.)", lambda found: found[1] or "'", text)


def _literal(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
