"""The table that is migrated."""

from __future__ import annotations

import os

from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables of the example."""


class Contact(Base):
    """A person. The application writes both names since the last deploy."""

    __tablename__ = "contacts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    search_name: Mapped[str | None]  # new; NULL where the migration has not been


def engine() -> Engine:
    """The engine for `DATABASE_URL`."""
    # Without a pool: RQ forks for every job, and no connection may be used on both sides of a fork.
    return create_engine(os.environ["DATABASE_URL"], poolclass=NullPool)
