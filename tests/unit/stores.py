"""One table, in SQLite, for every source over tables."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import UniqueConstraint, create_engine, delete, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import StaticPool

from rq_steps.sources import Source, query, queryset, rows
from tests.unit.models import models


class Row(NamedTuple):
    id: int
    a: int
    b: str


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    __table_args__ = (UniqueConstraint("a", "b"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    a: Mapped[int]
    b: Mapped[str]
    note: Mapped[str | None]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and plain(self) == plain(other)

    def __hash__(self) -> int:
        return self.id


def plain(item: Any) -> Row:
    """What it is in the store, whatever was handed out for it."""
    if isinstance(item, dict | sqlite3.Row):
        return Row(item["id"], item["a"], item["b"])
    return Row(*item) if isinstance(item, tuple) else Row(item.id, item.a, item.b)


def in_order(items: Iterable[Row], key: Sequence[str]) -> list[Row]:
    """What the database has to give."""
    ordered = list(items)
    for name in reversed(key):
        ordered.sort(key=lambda row: getattr(row, name.lstrip("-")), reverse=name.startswith("-"))
    return ordered


class Store(ABC):
    """A table, and a source over it."""

    @abstractmethod
    def source(self, key: Sequence[str], page: int) -> Source[Any]: ...

    @abstractmethod
    def insert(self, row: Row) -> None: ...

    @abstractmethod
    def delete(self, row: Row) -> None: ...

    @abstractmethod
    def clear(self) -> None: ...

    def fill(self, items: Iterable[Row]) -> None:
        self.clear()
        for row in items:
            self.insert(row)

    def close(self) -> None:
        """Afterwards nothing is open."""
        return


class AlchemyStore(Store):
    """SQLAlchemy's: its kinds differ in what is selected, and through what."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        Base.metadata.create_all(self.engine)

    def insert(self, row: Row) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(Item), row._asdict())

    def delete(self, row: Row) -> None:
        with self.engine.begin() as connection:
            connection.execute(delete(Item).where(Item.id == row.id))

    def clear(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(delete(Item))

    def close(self) -> None:
        self.engine.dispose()

    def key(self, names: Sequence[str]) -> list[Any]:
        return [
            getattr(Item, name[1:]).desc() if name.startswith("-") else getattr(Item, name)
            for name in names
        ]


COLUMNS = select(Item.id, Item.a, Item.b)


class Columns(AlchemyStore):
    def source(self, key: Sequence[str], page: int) -> Source[Any]:
        return rows(COLUMNS, self.engine, key=self.key(key), page=page)


class ColumnsOfAConnection(AlchemyStore):
    def __init__(self) -> None:
        super().__init__()
        self.connection = self.engine.connect()

    def source(self, key: Sequence[str], page: int) -> Source[Any]:
        return rows(COLUMNS, self.connection, key=self.key(key), page=page)

    def close(self) -> None:
        self.connection.close()
        super().close()


class Objects(AlchemyStore):
    def source(self, key: Sequence[str], page: int) -> Source[Any]:
        return rows(select(Item), self.engine, key=self.key(key), page=page)


class ObjectsOfASessionmaker(AlchemyStore):
    def source(self, key: Sequence[str], page: int) -> Source[Any]:
        return rows(select(Item), sessionmaker(self.engine), key=self.key(key), page=page)


class ObjectsOfASession(AlchemyStore):
    def __init__(self) -> None:
        super().__init__()
        self.session = Session(self.engine)

    def source(self, key: Sequence[str], page: int) -> Source[Any]:
        return rows(select(Item), self.session, key=self.key(key), page=page)

    def close(self) -> None:
        self.session.close()
        super().close()


class DbApiStore(Store):
    """The driver's own connection: its kinds differ in what a row is."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")
        self.connection.execute("CREATE TABLE items (id INTEGER, a INTEGER, b TEXT)")

    def source(self, key: Sequence[str], page: int) -> Source[Any]:
        return query("SELECT * FROM items", self.connection, key=key, page=page)

    def insert(self, row: Row) -> None:
        with self.connection:
            self.connection.execute("INSERT INTO items VALUES (?, ?, ?)", row)

    def delete(self, row: Row) -> None:
        with self.connection:
            self.connection.execute("DELETE FROM items WHERE id = ?", [row.id])

    def clear(self) -> None:
        with self.connection:
            self.connection.execute("DELETE FROM items")

    def close(self) -> None:
        self.connection.close()


class NamedTuples(DbApiStore):
    def __init__(self) -> None:
        super().__init__()
        self.connection.row_factory = sqlite3.Row

    def source(self, key: Sequence[str], page: int) -> Source[Any]:
        sql = "SELECT * FROM items WHERE id >= :least -- all of them\n;"
        return query(sql, self.connection, {"least": -100}, key=key, page=page)


class Dicts(DbApiStore):
    def __init__(self) -> None:
        super().__init__()
        self.connection.row_factory = lambda cursor, row: dict(
            zip((column[0] for column in cursor.description), row, strict=True)
        )


class QuerySets(Store):
    """Django's. It needs the fixture `django`."""

    def __init__(self) -> None:
        self.objects = models().Item.objects

    def source(self, key: Sequence[str], page: int) -> Source[Any]:
        return queryset(self.objects.order_by(*key), page=page)

    def insert(self, row: Row) -> None:
        self.objects.create(**row._asdict())

    def delete(self, row: Row) -> None:
        self.objects.filter(id=row.id).delete()

    def clear(self) -> None:
        self.objects.all().delete()


class Values(QuerySets):
    def source(self, key: Sequence[str], page: int) -> Source[Any]:
        return queryset(self.objects.values("id", "a", "b"), key=key, page=page)


class NamedValues(QuerySets):
    def source(self, key: Sequence[str], page: int) -> Source[Any]:
        return queryset(self.objects.values_list("id", "a", "b", named=True), key=key, page=page)


STORES: dict[str, type[Store]] = {
    "columns": Columns,
    "columns of a connection": ColumnsOfAConnection,
    "objects": Objects,
    "objects of a sessionmaker": ObjectsOfASessionmaker,
    "objects of a session": ObjectsOfASession,
    "tuples": DbApiStore,
    "named tuples": NamedTuples,
    "dicts": Dicts,
    "queryset": QuerySets,
    "values": Values,
    "named values": NamedValues,
}
