"""The connectors that ship with dmengine, and the formats that they read and write."""

from dmengine_connectors.connections import (
    DynamoDBConnection,
    RedshiftConnection,
    S3Connection,
    load_connection,
    updated,
)
from dmengine_connectors.eventlog import CloudWatchLog
from dmengine_connectors.files import LocalFiles, S3Files
from dmengine_connectors.formats.arrow_ipc import ArrowIpc
from dmengine_connectors.formats.avro import Avro
from dmengine_connectors.formats.csv import Csv
from dmengine_connectors.formats.fixed_width import FixedField, FixedWidth
from dmengine_connectors.formats.json_document import JsonDocument
from dmengine_connectors.formats.jsonl import JsonLines
from dmengine_connectors.formats.orc import Orc
from dmengine_connectors.formats.parquet import Parquet
from dmengine_connectors.formats.text import Text
from dmengine_connectors.formats.xml import XmlDocument
from dmengine_connectors.policy.writing import policies
from dmengine_connectors.session import Role, SessionFactory
from dmengine_connectors.stores.s3_journal import S3Store

__all__ = [
    "ArrowIpc", "Avro", "CloudWatchLog", "Csv", "DynamoDBConnection", "FixedField", "FixedWidth", "JsonDocument",
    "JsonLines", "LocalFiles", "Orc", "Parquet", "RedshiftConnection", "Role", "S3Connection", "S3Files", "S3Store",
    "SessionFactory", "Text", "XmlDocument", "load_connection", "policies", "updated",
]  # fmt: skip
