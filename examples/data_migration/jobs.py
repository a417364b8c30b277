"""The job: `fill_search_names` fills a new column, batch by batch, of a table that is in use.

A row is written only if it is as it was read, and still has no value: so a batch may come again,
and what the application writes meanwhile is never overwritten. A row that changed between the two,
or was committed late under a low id, is left for the second pass, which has little else to read.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text, update

from rq_steps import Step, continuable, step
from rq_steps.sources import batches, rows

from .models import Contact, engine

BATCH = 500  # rows, in one transaction
BUSY = 2.0  # seconds behind
LONGEST_WAIT = 60.0  # seconds

LEFT = select(Contact.id, Contact.name).where(Contact.search_name.is_(None))
FILL = (
    update(Contact)
    .where(
        Contact.id == bindparam("of"),
        Contact.name == bindparam("read"),
        Contact.search_name.is_(None),
    )
    .values(search_name=bindparam("found"))
)


class RowsLeftError(RuntimeError):
    """Rows have come without the new column: something writes them that was not deployed."""


@continuable
def fill_search_names() -> int:
    """Fill `search_name` of all contacts. Returns how many contacts there are.

    Raises:
        RowsLeftError: enqueue it anew, when nothing writes such rows any more.
    """
    fill()
    fill.with_options(name="fill_what_was_left")()
    return check()


@step
def fill(step: Step) -> None:
    """One pass over the rows without a value."""
    with engine().connect() as connection:
        step.guard(connection)
        for batch in step.each(batches(rows(LEFT, connection, page=BATCH), BATCH)):
            leave_while_busy(step, connection)
            with connection.begin():
                connection.execute(FILL, [values_of(contact) for contact in batch])


@step
def check() -> int:
    """See that no row is left. Returns how many there are."""
    with engine().connect() as connection:
        left = connection.execute(select(func.count()).select_from(LEFT.subquery())).scalar_one()
        if left:
            raise RowsLeftError(f"{left} contacts have no search_name")
        return connection.execute(select(func.count(Contact.id))).scalar_one()


def leave_while_busy(step: Step, connection: Connection) -> None:
    """Come back later, and the later the busier the database is. No worker waits meanwhile."""
    with connection.begin():
        behind = seconds_behind(connection)
    if behind > BUSY:
        step.interrupt(wait=min(2 * behind, LONGEST_WAIT), reason="throttled")


def seconds_behind(connection: Connection) -> float:
    """How far the slowest replica is behind. Replace it by what tells that yours is busy."""
    if connection.dialect.name != "postgresql":
        return 0.0
    # The role has to be in pg_monitor: others see no lag.
    lag = text("SELECT coalesce(max(extract(epoch FROM replay_lag)), 0) FROM pg_stat_replication")
    return float(connection.execute(lag).scalar_one())


def values_of(contact: Any) -> dict[str, Any]:
    """What `FILL` writes to a contact as it was read."""
    return {"of": contact.id, "read": contact.name, "found": search_name(contact.name)}


def search_name(name: str) -> str:
    """The name without accents, capitals and surplus blanks."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join(each for each in letters if not unicodedata.combining(each)).split())
