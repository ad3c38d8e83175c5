"""The connectors that ship with dmengine, and the formats that they read and write."""

from dmengine_connectors.files import LocalFiles
from dmengine_connectors.formats.csv import Csv
from dmengine_connectors.formats.jsonl import JsonLines
from dmengine_connectors.formats.parquet import Parquet

__all__ = ["Csv", "JsonLines", "LocalFiles", "Parquet"]
