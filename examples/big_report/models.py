"""Orders, and the reports about them."""

from __future__ import annotations

import os
from datetime import date

from sqlalchemy import Engine, ForeignKey, NullPool, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables of the example."""


class Order(Base):
    """What somebody bought. No orders of a past year are added or changed."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    placed_on: Mapped[date]
    country: Mapped[str]
    cents: Mapped[int]


class Report(Base):
    """A report about one year, and how far it has come."""

    __tablename__ = "reports"

    id: Mapped[int] = mapped_column(primary_key=True)
    year: Mapped[int]
    path: Mapped[str]  # where it is written to
    counted_to: Mapped[int] = mapped_column(default=0)  # the id of the last order in its lines


class Line(Base):
    """What was ordered in one month from one country, as far as the report has come."""

    __tablename__ = "report_lines"

    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id"), primary_key=True)
    month: Mapped[int] = mapped_column(primary_key=True)
    country: Mapped[str] = mapped_column(primary_key=True)
    orders: Mapped[int]
    cents: Mapped[int]


def engine() -> Engine:
    """The engine for `DATABASE_URL`."""
    # Without a pool: RQ forks for every job, and no connection may be used on both sides of a fork.
    return create_engine(os.environ["DATABASE_URL"], poolclass=NullPool)
