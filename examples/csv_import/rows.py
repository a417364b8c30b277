"""The rows of a CSV file of contacts, and what may be wrong with them."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TextIO

ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
AMOUNT = re.compile(r"(-?)([0-9]{1,12})\.([0-9]{2})")


class UnusableFileError(ValueError):
    """No row of the file can be imported; the message says why, for the one who uploaded it."""


@dataclass(frozen=True)
class Row:
    """One row as it stands in the file."""

    number: int  # the first below the header is 1
    line: int  # where it begins in the file; quoted fields may hold line breaks
    header: list[str]
    fields: list[str]

    @property
    def key(self) -> str:
        """What the one who uploaded the file will know the row by."""
        return dict(zip(self.header, self.fields, strict=False)).get("email", "")

    def values(self) -> tuple[dict[str, object], list[str]]:
        """What is to be stored, and what is wrong with it: if anything is, store nothing."""
        if len(self.fields) != len(self.header):
            return {}, [f"row has {len(self.fields)} fields, not {len(self.header)}"]
        named = dict(zip(self.header, self.fields, strict=True))
        values: dict[str, object] = {}
        messages = []
        for column, (target, read) in COLUMNS.items():
            try:
                values[target] = read(named[column].strip())
            except ValueError as problem:
                messages.append(f"{column} {problem}")
        return values, messages


def open_rows(path: str) -> TextIO:
    """The file, opened as `read_rows` wants it: UTF-8, line breaks left to the csv module."""
    return Path(path).open(encoding="utf-8-sig", newline="")


def read_rows(file: TextIO) -> Iterator[Row]:
    """The rows below the header. Empty lines are not rows."""
    reader = csv.reader(file)
    header = [name.strip().lower() for name in next(reader, [])]
    _refuse_without(header)
    number, line = 0, reader.line_num + 1
    for fields in reader:
        if fields:
            number += 1
            yield Row(number, line, header, fields)
        line = reader.line_num + 1


def count_rows(path: str) -> int:
    """How many rows the file has.

    Raises:
        UnusableFileError: columns are missing, which it names, or the file is not CSV in UTF-8.
    """
    try:
        with open_rows(path) as file:
            return sum(1 for _ in read_rows(file))
    except (csv.Error, UnicodeDecodeError) as problem:
        raise UnusableFileError(f"not a CSV file in UTF-8: {problem}") from problem


def _refuse_without(header: list[str]) -> None:
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise UnusableFileError(f"missing columns: {', '.join(missing)}")


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
