"""Forty books on seven shelves, with names of which a database may take some for the same."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

KEYS = [["id"], ["-id"], ["shelf", "id"], ["-shelf", "id"], ["shelf", "-id"], ["-name", "-id"]]


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shelf: Mapped[int]
    name: Mapped[str] = mapped_column(String(20))


def fill(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            Book(id=number, shelf=number % 7 - 3, name="aäBb"[number % 4]) for number in range(40)
        )
        session.commit()


def key_of(names: list[str]) -> list[Any]:
    """The columns, as `rows` takes them."""
    return [
        getattr(Book, name[1:]).desc() if name.startswith("-") else getattr(Book, name)
        for name in names
    ]


def ordered(engine: Engine, names: list[str]) -> list[int]:
    """The ids of the books, by the database itself."""
    with engine.connect() as connection:
        return list(connection.scalars(select(Book.id).order_by(*key_of(names))))
