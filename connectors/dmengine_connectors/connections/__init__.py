"""Connections: a place in an AWS account and the way to it, as one JSON or YAML document."""

from dmengine_connectors.connections.connection import Connection
from dmengine_connectors.connections.databases import DynamoDBConnection, RedshiftConnection, TableEncryption
from dmengine_connectors.connections.loading import Updated, load_connection, updated
from dmengine_connectors.connections.s3 import S3Connection

__all__ = [
    "Connection", "DynamoDBConnection", "RedshiftConnection", "S3Connection", "TableEncryption", "Updated",
    "load_connection", "updated",
]  # fmt: skip
