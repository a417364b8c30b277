"""The job: `make_report` adds up the orders of a year, and writes the sums to a file.

Sums in a variable would be gone with the first deploy, and sums that are saved now and then would
count orders twice after a crash. So the sums are rows, and the transaction that adds to them notes
the last order that they contain: one that comes again is not added again.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

# PostgreSQL's dialect has the same `insert`.
from sqlalchemy.dialects.sqlite import insert as insert_or_update
from sqlalchemy.orm import Session

from rq_steps import Step, continuable, step
from rq_steps.sources import batches, rows

from .models import Line, Order, Report, engine

BATCH = 1000  # orders, in one transaction

_INSERT = insert_or_update(Line)
ADD = _INSERT.on_conflict_do_update(
    index_elements=[Line.report_id, Line.month, Line.country],
    set_={
        "orders": Line.orders + _INSERT.excluded.orders,
        "cents": Line.cents + _INSERT.excluded.cents,
    },
)
COUNTED_TO = select(Report.counted_to).where(Report.id == bindparam("report"))
MOVE_ON = (
    update(Report)
    .where(Report.id == bindparam("report"), Report.counted_to == bindparam("begin"))
    .values(counted_to=bindparam("end"))
)


class CountedElsewhereError(RuntimeError):
    """Another process adds to the same report at this moment."""


@continuable
def make_report(report_id: int) -> str:
    """Make a report that is in the database. Returns the path of its file."""
    add_up(report_id)
    return write(report_id)


@step
def add_up(step: Step, report_id: int) -> None:
    """Add each order of the year to the report's lines, once."""
    with engine().connect() as connection:
        step.guard(connection)
        with connection.begin():
            year = connection.scalars(select(Report.year).where(Report.id == report_id)).one()
        for orders in step.each(batches(rows(orders_of(year), connection, page=BATCH), BATCH)):
            with connection.begin():
                add(connection, report_id, orders)


@step
def write(report_id: int) -> str:
    """Write the lines as CSV. Whoever looks sees the whole file or none."""
    with Session(engine()) as session:
        path = Path(session.get_one(Report, report_id).path)
        lines = select(Line.month, Line.country, Line.orders, Line.cents).order_by(
            Line.month, Line.country
        )
        found = session.execute(lines.where(Line.report_id == report_id)).all()
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["month", "country", "orders", "amount"])
        for month, country, orders, cents in found:
            writer.writerow([month, country, orders, f"{cents / 100:.2f}"])
    part.replace(path)
    return str(path)


def orders_of(year: int) -> Any:
    """The orders of a year, which the source puts in the order of their id."""
    return select(Order.id, Order.placed_on, Order.country, Order.cents).where(
        Order.placed_on.between(date(year, 1, 1), date(year, 12, 31))
    )


def add(connection: Connection, report_id: int, batch: Sequence[Any]) -> None:
    """Add those orders of a batch that are not in the lines yet, in the caller's transaction."""
    begin = connection.execute(COUNTED_TO, {"report": report_id}).scalar_one()
    new = [order for order in batch if order.id > begin]
    if not new:
        return
    place = {"report": report_id, "begin": begin, "end": new[-1].id}
    if connection.execute(MOVE_ON, place).rowcount != 1:
        raise CountedElsewhereError(f"report {report_id} has moved on from order {begin}")
    connection.execute(ADD, sums(report_id, new))


def sums(report_id: int, orders: Sequence[Any]) -> list[dict[str, Any]]:
    """What these orders add to the lines: whatever takes Python to find out."""
    lines: dict[tuple[int, str], dict[str, Any]] = {}
    for order in orders:
        month, country = order.placed_on.month, order.country
        key = {"report_id": report_id, "month": month, "country": country}
        line = lines.setdefault((month, country), key | {"orders": 0, "cents": 0})
        line["orders"] += 1
        line["cents"] += order.cents
    return list(lines.values())
