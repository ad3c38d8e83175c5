"""The connectors that ship with dmengine, and the formats that they read and write."""

from dmengine_connectors.files import LocalFiles, S3Files
from dmengine_connectors.formats.csv import Csv
from dmengine_connectors.formats.jsonl import JsonLines
from dmengine_connectors.formats.parquet import Parquet
from dmengine_connectors.session import Role, SessionFactory
from dmengine_connectors.stores.s3_journal import S3Store

__all__ = ["Csv", "JsonLines", "LocalFiles", "Parquet", "Role", "S3Files", "S3Store", "SessionFactory"]
