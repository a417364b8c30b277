"""Uploads, and what was cleaned up of them."""

from __future__ import annotations

import os
from datetime import datetime

from sqlalchemy import DateTime, Engine, NullPool, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables of the example."""


class Upload(Base):
    """A file that somebody uploaded."""

    __tablename__ = "uploads"

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str]
    uploaded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Cleanup(Base):
    """One clean-up, and how far it has come."""

    __tablename__ = "cleanups"

    id: Mapped[int] = mapped_column(primary_key=True)
    before: Mapped[datetime] = mapped_column(DateTime(timezone=True))  # what came earlier is old
    deleted: Mapped[int] = mapped_column(default=0)  # uploads


def engine() -> Engine:
    """The engine for `DATABASE_URL`."""
    # Without a pool: RQ forks for every job, and no connection may be used on both sides of a fork.
    return create_engine(os.environ["DATABASE_URL"], poolclass=NullPool)
