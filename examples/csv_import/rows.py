"""The rows of a CSV file of contacts, and what may be wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from rq_steps.sources import BadRecord, BadRecordError, Source, csv_dicts, csv_rows

ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
SURPLUS = "fields beyond the header"
AMOUNT = re.compile(r"(-?)([0-9]{1,12})\.([0-9]{2})")


class UnusableFileError(ValueError):
    """No row of the file can be imported; the message says why, for the one who uploaded it."""


@dataclass(frozen=True)
class Row:
    """One row as it stands in the file."""

    number: int  # the first below the header is 1
    line: int  # where it begins in the file; quoted fields may hold line breaks
    found: dict[str, Any] | BadRecord

    @property
    def key(self) -> str:
        """What the one who uploaded the file will know the row by."""
        return "" if isinstance(self.found, BadRecord) else _named(self.found).get("email") or ""

    def values(self) -> tuple[dict[str, object], list[str]]:
        """What is to be stored, and what is wrong with it: if anything is, store nothing."""
        if isinstance(self.found, BadRecord):
            return {}, [f"row cannot be read: {self.found.error}"]
        fields, columns = _widths(self.found)
        if fields != columns:
            return {}, [f"row has {fields} fields, not {columns}"]
        named = _named(self.found)
        values: dict[str, object] = {}
        messages = []
        for column, (target, read) in COLUMNS.items():
            try:
                values[target] = read(named[column].strip())
            except ValueError as problem:
                messages.append(f"{column} {problem}")
        return values, messages


def rows_of(path: str) -> Source[dict[str, Any] | BadRecord]:
    """The rows below the header, for `step.each`, which goes on with them at a byte offset.

    Empty lines are not rows. What is not CSV in UTF-8 is one that cannot be read, and no reason to
    refuse the others.
    """
    return csv_dicts(path, restkey=SURPLUS, bad="hand_out")


def count_rows(path: str) -> int:
    """How many rows the file has.

    Raises:
        UnusableFileError: columns are missing, which it names, or the header is not CSV in UTF-8.
    """
    _refuse_without(_header(path))
    return sum(1 for _ in rows_of(path))


def _header(path: str) -> list[str]:
    try:
        return [_column(name) for name in next(iter(csv_rows(path)), [])]
    except BadRecordError as problem:
        raise UnusableFileError(f"not a CSV file in UTF-8: {problem.bad.error}") from problem


def _refuse_without(header: list[str]) -> None:
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise UnusableFileError(f"missing columns: {', '.join(missing)}")


def _widths(found: dict[str, Any]) -> tuple[int, int]:
    """How many fields the row has, and how many columns the file."""
    surplus: list[str] = found.get(SURPLUS, [])
    named = [field for column, field in found.items() if column != SURPLUS]
    return len(named) - named.count(None) + len(surplus), len(named)


def _named(found: dict[str, Any]) -> dict[str, Any]:
    return {_column(name): field for name, field in found.items()}


def _column(name: str) -> str:
    return name.strip().lower()


def _address(text: str) -> str:
    if not ADDRESS.fullmatch(text):
        raise ValueError(f"is not an e-mail address: {text!r}")
    return text.lower()


def _name(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    return text


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"is not a date like 2026-01-31: {text!r}") from None


def _cents(text: str) -> int:
    match = AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"is not an amount like 12.50: {text!r}")
    return int("".join(match.groups()))


# By the name in the header: the name in the database, and how to read it.
COLUMNS: dict[str, tuple[str, Callable[[str], object]]] = {
    "email": ("email", _address),
    "name": ("name", _name),
    "since": ("since", _date),
    "amount": ("cents", _cents),
    "note": ("note", str),
}
