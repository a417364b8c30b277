"""What an import leaves in the database: itself, the rows it could not use, and contacts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Status = Literal["pending", "validating", "processing", "completed", "failed"]


class Base(DeclarativeBase):
    """The tables of the example."""


class Import(Base):
    """One file that somebody uploaded, and how far it has come."""

    __tablename__ = "imports"

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str]
    status: Mapped[Status] = mapped_column(String, default="pending")
    message: Mapped[str | None]  # why it failed
    total: Mapped[int] = mapped_column(default=0)
    processed: Mapped[int] = mapped_column(default=0)  # the number of the last row dealt with
    errors: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime | None]  # UTC
    finished_at: Mapped[datetime | None]  # UTC
    row_errors: Mapped[list[RowError]] = relationship(order_by="RowError.row")

    @property
    def imported(self) -> int:
        """How many rows were written to contacts."""
        return self.processed - self.errors


class RowError(Base):
    """A row that could not be used, and why. A row is reported once."""

    __tablename__ = "row_errors"
    __table_args__ = (UniqueConstraint("import_id", "row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id"))
    row: Mapped[int]  # the first row below the header is 1
    line: Mapped[int]  # where it begins in the file; quoted fields may hold line breaks
    key: Mapped[str]  # the e-mail address as it stands in the file
    messages: Mapped[list[str]] = mapped_column(JSON)


class Contact(Base):
    """A person, known by e-mail address, as the last row about them has it."""

    __tablename__ = "contacts"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    since: Mapped[date]
    cents: Mapped[int]
    note: Mapped[str]
    revision: Mapped[int] = mapped_column(default=1)  # how many rows have written it
