"""A CSV file as somebody might upload it, with faults planted on purpose."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

HEADER = ["email", "name", "since", "amount", "note"]

NAMES = [
    "Zoë Åkesson",
    "José García-Márquez",
    "Łukasz Żółkiewski",
    "Đặng Thị Hương",
    "Aoife O'Brien",
    'Anna "Anni" Weiß',
    "Дмитрий Иванов",
    "Ελένη Παπαδοπούλου",
    "佐藤 美咲",
    "王志明",
    "ليلى حداد",
    "Smith, Mary",
    "Çağla Öztürk, Dr.",
]
MAILBOXES = ["zoe", "jose", "lukasz", "o-brien", "anni.weiss", "noor+news", "sales"]
DOMAINS = ["example.org", "example.com", "mail.example.net", "post.example.co.uk"]
NOTES = [
    "",
    "",
    "Pays by invoice",
    'Calls it "the usual", twice a week',
    "Deliver to:\n12 Rue de l'Église\n75011 Paris",
    "Prefers e-mail, not phone\n\n(see ticket 4711)",
    "50 % off; until further notice",
    "naïve café, crème brûlée: “as always”",
]


@dataclass(frozen=True)
class Planted:
    """A row that must not be imported, and must be reported like this."""

    row: int  # the first row below the header is 1
    line: int  # where it begins in the file
    key: str
    columns: frozenset[str]  # the ones with a fault; "row" for a row with too few fields


Fault = Callable[[list[str], Random], str]


def write_sample(path: Path, rows: int, seed: int = 8) -> list[Planted]:
    """Write a file of so many rows, the same for the same seed. Returns its planted faults."""
    random = Random(seed)
    planted = []
    line = 2
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for number, fields in enumerate(_people(rows, random), 1):
            if random.random() < 0.02 or number == rows // 2:
                planted.append(_spoil(fields, number, line, random))
            writer.writerow(fields)
            line += 1 + sum(field.count("\n") for field in fields)
    return planted


def _people(rows: int, random: Random) -> Iterator[list[str]]:
    """Rows without a fault. One in twenty is news of somebody who has been in the file before."""
    addresses: list[str] = []
    for number in range(1, rows + 1):
        if addresses and random.random() < 0.05:
            address = random.choice(addresses)
            address = random.choice([address, address.upper(), f" {address}"])
        else:
            address = f"{random.choice(MAILBOXES)}.{number}@{random.choice(DOMAINS)}"
            addresses.append(address)
        yield [address, random.choice(NAMES), _date(random), _amount(random), random.choice(NOTES)]


def _date(random: Random) -> str:
    return str(date(2015, 1, 1) + timedelta(days=random.randrange(4000)))


def _amount(random: Random) -> str:
    return f"{random.randrange(-5_000, 500_000) / 100:.2f}"


def _spoil(fields: list[str], number: int, line: int, random: Random) -> Planted:
    if random.random() < 0.1:
        fields.pop()
        columns = {"row"}
    else:
        columns = {spoil(fields, random) for spoil in random.choices(FAULTS, k=2)}
    return Planted(number, line, fields[0], frozenset(columns))


def _bad_address(fields: list[str], random: Random) -> str:
    bad = ["", "n/a", "mary at example.org", "jose@example", "a b@example.org", "@example.com"]
    fields[0] = random.choice(bad)
    return "email"


def _no_name(fields: list[str], random: Random) -> str:
    fields[1] = random.choice(["", "   "])
    return "name"


def _bad_date(fields: list[str], random: Random) -> str:
    fields[2] = random.choice(["", "2025-02-30", "31.12.2024", "yesterday", "0000-00-00"])
    return "since"


def _bad_amount(fields: list[str], random: Random) -> str:
    fields[3] = random.choice(["", "twelve", "1.234,50", "EUR 12.50", "NaN", "1e9", "12.5"])
    return "amount"


FAULTS: list[Fault] = [_bad_address, _no_name, _bad_date, _bad_amount]
