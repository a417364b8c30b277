"""What readers have of their own, and the examples use: rows, a database, an app."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import StaticPool

from tests.docs.calls import all_of, calls, done

__all__ = [
    "Invoice",
    "Order",
    "accounts_from",
    "addresses_of",
    "app",
    "close_ticket",
    "contacts_to_import",
    "count_orders",
    "count_rows",
    "count_table",
    "documents_of",
    "empty_table",
    "engine",
    "fetch",
    "fetch_page",
    "forget_numbers",
    "give_number",
    "insert",
    "insert_all",
    "mark_running",
    "now",
    "number_of",
    "open_invoices",
    "order_ids",
    "orders_between",
    "orders_from",
    "parts_of",
    "pay",
    "payments_from",
    "reindex",
    "renumber",
    "report_row",
    "rows_in_table",
    "rows_of",
    "save_part",
    "save_report",
    "seconds_until_allowed",
    "send_letter",
    "statsd",
    "tickets_of",
    "upload",
    "upsert",
    "urls",
]


def count_rows(import_id: int) -> int:
    return done("count_rows", import_id, gives=len(rows_of(import_id)))


def rows_of(import_id: int) -> list[str]:
    return [f"row {number}" for number in range(10)]


def upsert(row: object) -> None:
    if row not in _table:
        _table.append(row)
    done("upsert", row)


def insert_all(rows: Sequence[object]) -> None:
    done("insert_all", len(rows))


def report_row(line: int, error: str) -> None:
    done("report_row", (line, error))


_table: list[object] = []
_numbers: dict[str, int] = {}


def insert(row: str) -> None:
    _table.append(row)


def rows_in_table() -> list[object]:
    return list(_table)


def count_table() -> int:
    return len(_table)


def empty_table() -> None:
    _table.clear()


def give_number(row: str, number: int) -> None:
    _numbers[row] = number


def number_of(row: str) -> int:
    return _numbers[row]


def forget_numbers() -> None:
    _numbers.clear()


def now() -> str:
    """It is later whenever one looks."""
    return done("now", None, gives=f"08:30:{len(all_of('now')):02}")


# Orders, accounts, documents: by ids that have gaps.


@dataclass(frozen=True)
class Order:
    id: int


_ORDERS = [Order(number) for number in range(2, 40, 3)]


def order_ids(shop_id: int) -> list[int]:
    return done("order_ids", shop_id, gives=[1, 2, 3])


def orders_from(shop_id: int, *, first_id: int, limit: int) -> list[Order]:
    return [order for order in _ORDERS if order.id >= first_id][: min(limit, 4)]


def renumber(order_id: int) -> None:
    done("renumber", order_id)


def count_orders(shop_id: int) -> int:
    return 1_200


def orders_between(shop_id: int, first: int, end: int) -> range:
    return range(first, min(end, count_orders(shop_id)))


def upload(shop_id: int, orders: range) -> None:
    done("upload", orders)


def accounts_from(first: int) -> range:
    return range(first, 3)


def payments_from(account: int, first: int) -> range:
    return range(first, 4)


def pay(account: int, payment: int) -> None:
    done("pay", (account, payment))


def documents_of(shard: int) -> list[str]:
    return [f"{shard}-{number}" for number in range(3)]


def reindex(document: str) -> None:
    done("reindex", document)


# Reports, letters, contacts, invoices


def mark_running(report_id: int) -> None:
    done("mark_running", report_id)


def save_report(report_id: int, lines: list[int]) -> str:
    return done("save_report", report_id, gives=f"report {report_id}: {lines}")


def addresses_of(campaign_id: int) -> list[str]:
    return ["ada@example.com", "bob@example.com"]


def send_letter(address: str) -> None:
    done("send_letter", address)


def contacts_to_import() -> Iterator[dict[str, str]]:
    for name in ("Ada", "Bob", "Cyd"):
        yield done("contact", name, gives={"name": name, "email": f"{name.lower()}@example.com"})


class Base(DeclarativeBase):
    pass


class Invoice(Base):
    __tablename__ = "invoices"

    number: Mapped[int] = mapped_column(primary_key=True)
    sent: Mapped[bool] = mapped_column(default=False)


engine: Engine = create_engine("sqlite://", poolclass=StaticPool)


def open_invoices() -> list[int]:
    return done("open_invoices", None, gives=[1, 2, 3])


# What is reached over a network


async def fetch(site: str, number: int) -> None:
    done("fetch", number)


def fetch_page(account: str, page: int) -> None:
    done("fetch_page", page)


def seconds_until_allowed(account: str) -> float:
    """The third page is one too many, the first time that it is asked for."""
    calls.append(("seconds_until_allowed", account))
    return 0.5 if calls.count(("seconds_until_allowed", account)) == 3 else 0.0


def tickets_of(project: str, page: str | None) -> tuple[list[str], str | None]:
    """Of three pages, and the name of the next one."""
    pages = {None: "a", "a": "b", "b": None}
    return [f"{page or 'first'}-{number}" for number in range(2)], pages[page]


def close_ticket(ticket: str) -> None:
    done("close_ticket", ticket)


def urls() -> list[str]:
    return ["https://example.com/1", "https://example.com/2"]


def parts_of(url: str) -> list[int]:
    return [1, 2, 3]


def save_part(url: str, part: int) -> None:
    done("save_part", (url, part))


# An application


class App:
    def app_context(self) -> AbstractContextManager[None]:
        done("app_context", None)
        return nullcontext()


class Statsd:
    def increment(self, name: str) -> None:
        done("increment", name)


app = App()
statsd = Statsd()
