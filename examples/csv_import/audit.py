"""Counts the database against the file, with nothing of what the import is made of."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from .sample import Planted

Details = tuple[str, str, int, str]  # name, since, cents, note


@dataclass(frozen=True)
class Reported:
    """A row that the import says it could not use."""

    row: int
    line: int
    key: str
    messages: list[str]


@dataclass
class Books:
    """Who must be, or is, in the database; how often they were written; what was reported."""

    contacts: dict[str, Details] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)
    reports: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True)
class Audit:
    """What the database holds, and how it differs from what the file demands."""

    rows: int  # in the file
    imported: int  # how many rows were written to contacts
    contacts: int
    reported: list[Reported]
    duplicates: int  # contacts that are there twice, rows written or reported once too often
    missing: int  # rows neither written nor reported
    wrong: int  # contacts and reports that do not say what the file says
    counters: dict[str, int]  # total, processed and errors, as the import counted them

    def problems(self) -> list[str]:
        """What is not as it must be, in words."""
        found = {"duplicates": self.duplicates, "missing": self.missing, "wrong": self.wrong}
        problems = [f"{count} {name}" for name, count in found.items() if count]
        errors = len(self.reported)
        right = {"total": self.rows, "processed": self.rows, "errors": errors}
        if self.counters != right:
            problems.append(f"the import counted {self.counters}, where {right} is right")
        return problems


def audit(path: Path, database: Path, planted: list[Planted]) -> Audit:
    """Compare the file with the SQLite database that one import of it has filled."""
    rows, expected = _demanded(path, planted)
    with closing(sqlite3.connect(database)) as connection:
        reported = _reported(connection)
        found, contacts = _stored(connection, reported)
        counters = _counters(connection)
    return Audit(
        rows=rows,
        imported=found.writes.total(),
        contacts=contacts,
        reported=reported,
        duplicates=contacts - len(found.contacts) + _surplus(found, expected),
        missing=_surplus(expected, found),
        wrong=_wrong_contacts(found, expected) + _wrong_reports(reported, planted),
        counters=counters,
    )


def _demanded(path: Path, planted: list[Planted]) -> tuple[int, Books]:
    books = Books(reports=Counter(fault.row for fault in planted))
    number = 0
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 1):
            if number not in books.reports:
                address = row["email"].strip().lower()
                books.contacts[address] = _details(row)
                books.writes[address] += 1
    return number, books


def _details(row: dict[str, str]) -> Details:
    cents = round(float(row["amount"]) * 100)
    return row["name"].strip(), row["since"].strip(), cents, row["note"].strip()


def _stored(connection: sqlite3.Connection, reported: list[Reported]) -> tuple[Books, int]:
    books = Books(reports=Counter(report.row for report in reported))
    count = 0
    for address, revision, *details in connection.execute(
        "SELECT lower(email), revision, name, since, cents, note FROM contacts"
    ):
        count += 1
        books.contacts[address] = (details[0], details[1], details[2], details[3])
        books.writes[address] += revision
    return books, count


def _reported(connection: sqlite3.Connection) -> list[Reported]:
    rows = connection.execute("SELECT row, line, key, messages FROM row_errors ORDER BY row")
    return [Reported(row, line, key, json.loads(messages)) for row, line, key, messages in rows]


def _counters(connection: sqlite3.Connection) -> dict[str, int]:
    names = ("total", "processed", "errors")
    [counts] = connection.execute("SELECT total, processed, errors FROM imports")
    return dict(zip(names, counts, strict=True))


def _surplus(books: Books, others: Books) -> int:
    writes = books.writes - others.writes
    reports = books.reports - others.reports
    return writes.total() + reports.total()


def _wrong_contacts(found: Books, expected: Books) -> int:
    return sum(
        found.contacts[address] != details
        for address, details in expected.contacts.items()
        if address in found.contacts
    )


def _wrong_reports(reported: list[Reported], planted: list[Planted]) -> int:
    said = {(r.row, r.line, r.key, frozenset(m.split()[0] for m in r.messages)) for r in reported}
    return sum((p.row, p.line, p.key, p.columns) not in said for p in planted)
