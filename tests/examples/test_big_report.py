"""The report: each order counts once, wherever the job is cut, in memory and in real workers."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, literal, select, update

from examples.big_report import jobs
from examples.big_report.jobs import CountedElsewhereError, add, make_report, write
from examples.big_report.models import Base, Line, Order, Report, engine
from rq_steps.testing import LiveJobs, Rehearsal, everywhere


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where report 1 about 2025 is written to; there are no orders yet."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/orders.db")
    Base.metadata.create_all(engine())
    with engine().begin() as connection:
        path = tmp_path / "2025.csv"
        connection.execute(insert(Report).values(id=1, year=2025, path=str(path)))
    return path


def add_orders(count: int) -> list[list[str]]:
    """Add so many orders of 2025, and as many of the years around it. Returns the report."""
    counts: dict[tuple[int, str], int] = {}
    orders = []
    for number in range(count):
        day = date(2025, 1, 1) + timedelta(days=number % 365)
        country = "AT" if number % 3 else "CH"
        counts[day.month, country] = counts.get((day.month, country), 0) + 1
        for placed_on in (day, date(2024 + number % 2 * 2, 6, 1)):
            orders.append({"placed_on": placed_on, "country": country, "cents": 1250})
    with engine().begin() as connection:
        connection.execute(insert(Order), orders)
    lines = [
        [str(month), country, str(number), f"{number * 12.5:.2f}"]
        for (month, country), number in sorted(counts.items())
    ]
    return [["month", "country", "orders", "amount"], *lines]


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_each_order_counts_once_wherever_the_job_is_cut(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)
    report = add_orders(7)

    def make() -> Rehearsal:
        with engine().begin() as connection:
            connection.execute(delete(Line))
            connection.execute(update(Report).values(counted_to=0))
        path.unlink(missing_ok=True)
        return Rehearsal(make_report, 1)

    def check(rehearsal: Rehearsal) -> None:
        assert rehearsal.result == str(path)
        assert read(path) == report

    coverage = everywhere(make, check)
    assert coverage.tried == coverage.points


def test_of_a_batch_that_comes_again_in_part_only_the_rest_is_added(path: Path) -> None:
    report = add_orders(7)
    with engine().begin() as connection:
        orders = connection.execute(jobs.orders_of(2025).order_by(Order.id)).all()
        for batch in (orders[:4], orders[2:4], orders[1:6], orders[6:]):
            add(connection, 1, batch)
    write(1)
    assert read(path) == report


def test_what_another_process_adds_at_the_same_moment_is_not_added_again(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    report = add_orders(7)
    with engine().begin() as connection:
        orders = connection.execute(jobs.orders_of(2025).order_by(Order.id)).all()
        add(connection, 1, orders)
    monkeypatch.setattr(jobs, "COUNTED_TO", select(literal(0)))  # as it was a moment ago
    with engine().begin() as connection, pytest.raises(CountedElsewhereError, match="report 1"):
        add(connection, 1, orders)
    write(1)
    assert read(path) == report


def test_a_year_without_orders_is_a_report_without_lines(path: Path) -> None:
    Rehearsal(make_report, 1).run()
    assert read(path) == [["month", "country", "orders", "amount"]]


def test_each_order_counts_once_in_workers_that_are_stopped_and_killed(
    live_jobs: LiveJobs, path: Path
) -> None:
    report = add_orders(4 * jobs.BATCH)
    job = live_jobs.enqueue(make_report, 1)
    live_jobs.stop(during="add_up", cursor=[2 * jobs.BATCH - 1])
    live_jobs.kill_horse(during="add_up", cursor=[6 * jobs.BATCH - 1])
    live_jobs.run(job)
    assert job.return_value() == str(path)
    assert read(path) == report
