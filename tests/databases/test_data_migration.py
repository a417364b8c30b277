"""The example of a data migration over a real PostgreSQL, where transactions overlap."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert

from examples.data_migration import jobs
from examples.data_migration.jobs import fill_search_names
from examples.data_migration.models import Contact, engine
from rq_steps import Step
from rq_steps.testing import Rehearsal
from tests.databases.server import DatabaseServer
from tests.examples import test_data_migration
from tests.examples.test_data_migration import search_names


@pytest.mark.usefixtures("database_server")  # pytest before 8.4 does not see it behind `url`
@pytest.mark.parametrize("database_server", ["postgres"], indirect=True)
class TestOverPostgreSQL(test_data_migration.TestDataMigration):
    @pytest.fixture
    def url(self, database: DatabaseServer) -> str:
        return database.url.render_as_string()

    def test_a_row_whose_transaction_outlasts_its_turn_is_filled(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with engine().connect() as late:
            late.execute(insert(Contact).values(id=1, name="Bob"))

            def leave_while_busy(step: Step, connection: Connection) -> None:
                if step.cursor == [15]:
                    late.commit()

            monkeypatch.setattr(jobs, "leave_while_busy", leave_while_busy)
            Rehearsal(fill_search_names).run()
        assert search_names()[1] == "bob"
