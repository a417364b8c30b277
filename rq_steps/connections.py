"""A worker's connections to Redis: which may be shared, and one more beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis.connection import ConnectionPool
from rq.connections import parse_connection

if TYPE_CHECKING:
    from redis import Redis


def shareable(connection: Redis) -> Redis:
    """A client that keeps one connection for itself is for one thread, and for no work-horse; its
    pool has more."""
    if getattr(connection, "connection", None) is None:
        return connection
    return type(connection)(connection_pool=connection.connection_pool)


@contextmanager
def client_beside(connection: Redis) -> Iterator[Redis]:
    """For an errand: a job has all connections of the worker's pool for itself, be they ever so
    few."""
    client, connection_class, options = parse_connection(connection)
    pool = ConnectionPool(connection_class=connection_class, **options)
    try:
        yield client(connection_pool=pool)
    finally:
        pool.disconnect()
