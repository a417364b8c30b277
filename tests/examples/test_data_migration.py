"""The data migration: over rows that come, change and are committed late, and a busy database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from examples.data_migration import jobs
from examples.data_migration.jobs import RowsLeftError, fill_search_names, search_name
from examples.data_migration.models import Base, Contact, engine
from rq_steps import Step
from rq_steps.testing import Rehearsal, everywhere

NAMES = {number: f"Zoë  {number}" for number in range(10, 17)}


def add(names: dict[int, str]) -> None:
    with engine().begin() as connection:
        connection.execute(insert(Contact), [{"id": id, "name": names[id]} for id in names])


def rename(contact_id: int, name: str, search_name: str | None) -> None:
    """What the application does: without a search name it is the one before the deploy."""
    with engine().begin() as connection:
        renamed = update(Contact).where(Contact.id == contact_id)
        connection.execute(renamed.values(name=name, search_name=search_name))


def search_names() -> dict[int, str | None]:
    with engine().connect() as connection:
        found = connection.execute(select(Contact.id, Contact.search_name)).all()
        return {contact.id: contact.search_name for contact in found}


def between_reading_and_writing(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None], passes: tuple[str, ...]
) -> None:
    """Have this happen to the first batch of these passes."""
    left = list(passes)

    def leave_while_busy(step: Step, connection: Connection) -> None:
        if step.name in left:
            left.remove(step.name)
            happens()

    monkeypatch.setattr(jobs, "leave_while_busy", leave_while_busy)


@pytest.mark.parametrize(
    ("name", "found"),
    [("Zoë", "zoe"), ("  Ada\tLovelace ", "ada lovelace"), ("Strauß", "strauss"), ("Ǻ", "a")],
)
def test_a_search_name_has_no_accents_capitals_and_surplus_blanks(name: str, found: str) -> None:
    assert search_name(name) == found


class TestDataMigration:
    """Of seven contacts, by two. A subclass runs it over another database."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/contacts.db"

    @pytest.fixture(autouse=True)
    def database(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setattr(jobs, "BATCH", 2)
        Base.metadata.create_all(engine())
        add(NAMES)

    def test_every_row_is_filled_wherever_the_job_is_cut(self) -> None:
        def make() -> Rehearsal:
            with engine().begin() as connection:
                connection.execute(delete(Contact))
            add(NAMES)
            return Rehearsal(fill_search_names)

        def check(rehearsal: Rehearsal) -> None:
            assert rehearsal.result == len(NAMES)
            assert search_names() == {number: f"zoe {number}" for number in NAMES}

        coverage = everywhere(make, check)
        assert coverage.tried == coverage.points

    @pytest.mark.parametrize("contact_id", [1, 20])
    def test_a_row_that_comes_meanwhile_is_filled_before_the_place_in_hand_and_behind_it(
        self, monkeypatch: pytest.MonkeyPatch, contact_id: int
    ) -> None:
        between_reading_and_writing(monkeypatch, lambda: add({contact_id: "Bob"}), ("fill",))
        assert Rehearsal(fill_search_names).run().result == len(NAMES) + 1
        assert search_names()[contact_id] == "bob"

    @pytest.mark.parametrize("written", ["bob", None])
    def test_a_row_that_changes_between_reading_and_writing_keeps_what_was_changed(
        self, monkeypatch: pytest.MonkeyPatch, written: str | None
    ) -> None:
        between_reading_and_writing(monkeypatch, lambda: rename(10, "Bob", written), ("fill",))
        Rehearsal(fill_search_names).run()
        assert search_names()[10] == "bob"

    def test_what_the_application_has_written_is_not_overwritten(
        self,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        between_reading_and_writing(
            monkeypatch, lambda: rename(10, NAMES[10], "by hand"), ("fill",)
        )
        Rehearsal(fill_search_names).run()
        assert search_names()[10] == "by hand"

    def test_a_row_that_is_left_fails_the_job_and_a_new_one_fills_it(
        self,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        passes = ("fill", "fill_what_was_left")
        late = iter([{1: "Ada"}, {0: "Bob"}])
        between_reading_and_writing(monkeypatch, lambda: add(next(late)), passes)
        with pytest.raises(RowsLeftError, match="1 contacts have no search_name"):
            Rehearsal(fill_search_names).run()
        Rehearsal(fill_search_names).run()
        assert (search_names()[0], search_names()[1]) == ("bob", "ada")

    def test_the_job_leaves_while_the_database_is_busy_the_longer_the_busier_it_is(
        self,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        behind = [0.0, 5.0, 2.5, 100.0]
        monkeypatch.setattr(jobs, "seconds_behind", lambda _: behind.pop(0) if behind else 2.0)
        rehearsal = Rehearsal(fill_search_names).run()
        *throttled, last = rehearsal.executions
        assert [(each.reason, each.wait) for each in throttled] == [
            ("throttled", wait) for wait in (10.0, 5.0, 60.0)
        ]
        assert [each.cursor for each in throttled] == [[11], [11], [11]]
        assert last.outcome == "finished"
        assert None not in search_names().values()

    def test_a_database_without_replicas_is_never_behind(self) -> None:
        with engine().connect() as connection:
            assert jobs.seconds_behind(connection) == 0
