"""The CSV import: its rows, its numbers when rows come again, and the demo as a reader runs it."""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from rq import Queue
from rq.job import Job
from sqlalchemy import select
from sqlalchemy.orm import Session

import rq_steps
from examples.csv_import import run
from examples.csv_import.audit import audit
from examples.csv_import.database import create_tables, engine
from examples.csv_import.jobs import (
    IncompleteImportError,
    enqueue_import,
    finalize,
    process_import,
    summary_id,
    validate,
    write_row,
)
from examples.csv_import.models import Base, Contact, Import, RowError
from examples.csv_import.progress import ERASE, Progress
from examples.csv_import.rows import Row, count_rows, rows_of
from examples.csv_import.sample import write_sample
from rq_steps import Step, continuable, step
from rq_steps.testing import LiveJobs, Rehearsal, everywhere
from tests.workers import Workers

HEADER = "email,name,since,amount,note\n"
GOOD = "a@example.org,Anna,2026-01-31,12.50,\n"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty SQLite database, for this process and the workers that it starts."""
    path = tmp_path / "contacts.db"
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    create_tables()
    yield path
    engine().dispose()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "contacts.csv"


def new_import(file: Path) -> int:
    with Session(engine()) as session, session.begin():
        import_ = Import(path=str(file))
        session.add(import_)
        session.flush()
        return import_.id


def load(import_id: int) -> Import:
    with Session(engine()) as session:
        return session.get_one(Import, import_id)


def errors(import_id: int) -> list[RowError]:
    with Session(engine()) as session:
        return list(session.get_one(Import, import_id).row_errors)


def contact(email: str) -> Contact:
    with Session(engine()) as session:
        return session.scalars(select(Contact).where(Contact.email == email)).one()


def rows_in(file: Path) -> list[Row]:
    """As `process_rows` comes to them."""
    rows: list[Row] = []

    @step
    def read(step: Step) -> None:
        for found in step.each(rows_of(str(file))):
            rows.append(Row(step.cursor["record"], step.cursor["line"], found))

    @continuable
    def read_all() -> None:
        read()

    read_all()
    return rows


def import_text(file: Path, text: str) -> int:
    file.write_text(text, encoding="utf-8")
    import_id = new_import(file)
    process_import(import_id)
    return import_id


def work(queue: Queue) -> None:
    rq_steps.SimpleWorker([queue], connection=queue.connection).work(burst=True)


class TestRows:
    def test_a_row_knows_the_line_where_it_begins(self, file: Path) -> None:
        file.write_text(HEADER + 'a,b,c,d,"two\nlines"\n\n\n' + GOOD + GOOD, encoding="utf-8")
        assert [(row.number, row.line) for row in rows_in(file)] == [(1, 2), (2, 6), (3, 7)]

    def test_columns_may_stand_in_any_order_and_spelling(self, file: Path) -> None:
        file.write_text("\ufeffNote, AMOUNT,extra,Name,Email,since\n,1.00,,A,a@b.org,2026-01-31\n")
        [row] = rows_in(file)
        values, messages = row.values()
        assert (values["email"], values["cents"], messages) == ("a@b.org", 100, [])

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("a at b.org,A,2026-01-31,1.00,", "email is not an e-mail address: 'a at b.org'"),
            ("a@b.org, ,2026-01-31,1.00,", "name is empty"),
            ("a@b.org,A,2026-02-30,1.00,", "since is not a date like 2026-01-31: '2026-02-30'"),
            ("a@b.org,A,2026-01-31,NaN,", "amount is not an amount like 12.50: 'NaN'"),
            ("a@b.org,A,2026-01-31", "row has 3 fields, not 5"),
            ("a@b.org,A,2026-01-31,1.00,,", "row has 6 fields, not 5"),
        ],
    )
    def test_a_fault_is_told_with_its_column(self, file: Path, row: str, message: str) -> None:
        file.write_text(HEADER + row + "\n")
        [faulty] = rows_in(file)
        assert faulty.values()[1] == [message]

    def test_all_faults_of_a_row_are_told(self, file: Path) -> None:
        file.write_text(HEADER + ",,,,\n")
        [row] = rows_in(file)
        columns = [message.split()[0] for message in row.values()[1]]
        assert columns == ["email", "name", "since", "amount"]

    def test_an_amount_is_read_to_the_cent(self, file: Path) -> None:
        file.write_text(HEADER + "a@b.org,A,2026-01-31,-0.29,\n")
        [row] = rows_in(file)
        assert row.values()[0]["cents"] == -29


class TestImport:
    def test_a_file_is_imported_as_the_audit_demands(self, database: Path, file: Path) -> None:
        planted = write_sample(file, 500)
        import_id = new_import(file)
        process_import(import_id)
        found = audit(file, database, planted)
        assert found.problems() == []
        assert found.imported == load(import_id).imported == 500 - len(planted)
        assert load(import_id).status == "completed"

    def test_missing_columns_are_refused_by_name(self, database: Path, file: Path) -> None:
        import_id = import_text(file, "name,since,note\nAnna,2026-01-31,\n")
        import_ = load(import_id)
        assert (import_.status, import_.processed) == ("failed", 0)
        assert import_.message == "missing columns: email, amount"

    def test_an_empty_file_lacks_all_columns(self, database: Path, file: Path) -> None:
        message = load(import_text(file, "")).message
        assert message == "missing columns: email, name, since, amount, note"

    @pytest.mark.parametrize(
        "header",
        [
            HEADER.encode("utf-16"),
            "email,name,since,amount,note,größe\n".encode("latin-1"),
            b'"email,name,since,amount,note\n',
        ],
    )
    def test_a_header_that_cannot_be_read_is_refused(
        self, database: Path, file: Path, header: bytes
    ) -> None:
        file.write_bytes(header)
        import_id = new_import(file)
        process_import(import_id)
        assert load(import_id).status == "failed"
        assert (load(import_id).message or "").startswith("not a CSV file in UTF-8: ")

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("a@b.org,Zoë,2026-01-31,1.00,".encode("latin-1"), "'utf-8' codec can't decode byte"),
            (f"a@b.org,{'x' * 200_000},2026-01-31,1.00,".encode(), "field larger than field limit"),
        ],
    )
    def test_a_row_that_cannot_be_read_is_reported_with_its_line(
        self, database: Path, file: Path, row: bytes, reason: str
    ) -> None:
        file.write_bytes((HEADER + GOOD + "\n").encode() + row + b"\n" + GOOD.encode())
        import_id = new_import(file)
        assert process_import(import_id) == "2 rows imported, 1 not"
        [error] = errors(import_id)
        assert (error.row, error.line, error.key) == (2, 4, "")
        assert error.messages[0].startswith(f"row cannot be read: {reason}")

    def test_a_quote_that_is_never_closed_makes_one_bad_row_of_all_that_follows(
        self, database: Path, file: Path
    ) -> None:
        import_id = import_text(file, HEADER + GOOD + 'b@example.org,"Anna\n' + GOOD)
        [error] = errors(import_id)
        assert (error.row, error.line) == (2, 3)
        assert error.messages == [
            "row cannot be read: unexpected end of data: a quote is not closed"
        ]
        assert load(import_id).status == "completed"

    def test_a_refused_file_may_be_put_right(self, database: Path, file: Path) -> None:
        import_id = import_text(file, "email\n")
        file.write_text(HEADER + GOOD)
        assert process_import(import_id) == "1 rows imported, 0 not"
        assert (load(import_id).status, load(import_id).message) == ("completed", None)

    def test_a_row_about_a_known_address_updates_its_contact(
        self, database: Path, file: Path
    ) -> None:
        import_text(file, HEADER + GOOD + "A@Example.org,Anna Weiß,2026-02-01,-1.00,moved\n")
        anna = contact("a@example.org")
        assert (anna.name, str(anna.since), anna.cents, anna.note, anna.revision) == (
            "Anna Weiß",
            "2026-02-01",
            -100,
            "moved",
            2,
        )

    def test_a_bad_row_is_reported_and_changes_no_contact(self, database: Path, file: Path) -> None:
        import_id = import_text(file, HEADER + GOOD + "a@example.org,,2026-01-31,free,\n")
        [error] = errors(import_id)
        assert (error.row, error.line, error.key) == (2, 3, "a@example.org")
        assert error.messages == ["name is empty", "amount is not an amount like 12.50: 'free'"]
        assert (contact("a@example.org").name, load(import_id).errors) == ("Anna", 1)

    def test_an_import_with_rows_left_is_not_completed(self, database: Path, file: Path) -> None:
        file.write_text(HEADER + GOOD)
        import_id = new_import(file)
        validate(import_id)
        with pytest.raises(IncompleteImportError, match="0 of 1 rows"):
            finalize(import_id)


class TestCuts:
    def test_wherever_it_is_cut_every_row_is_imported_once(
        self, database: Path, file: Path
    ) -> None:
        planted = write_sample(file, 60)
        ids: list[int] = []

        def make() -> Rehearsal:
            Base.metadata.drop_all(engine())
            create_tables()
            ids[:] = [new_import(file)]
            return Rehearsal(process_import, *ids)

        def is_right(rehearsal: Rehearsal) -> None:
            assert audit(file, database, planted).problems() == []
            import_ = load(*ids)
            assert (import_.status, import_.processed) == ("completed", 60)
            assert rehearsal.result == f"{import_.imported} rows imported, {import_.errors} not"

        assert planted
        everywhere(make, is_right, at_most=40)

    def test_the_cursor_is_the_byte_where_the_next_row_begins(
        self, database: Path, file: Path
    ) -> None:
        first = 'a@example.org,"Zoë\nÅkesson",2026-01-31,1.00,\n'
        file.write_text(HEADER + first + "\n" + GOOD + GOOD, encoding="utf-8")
        rehearsal = Rehearsal(process_import, new_import(file))
        rehearsal.interrupt(during="process_rows")
        cursor: Any = rehearsal.run().executions[0].cursor
        assert (cursor["record"], cursor["line"]) == (2, 5)
        assert file.read_bytes()[cursor["offset"] :] == (GOOD + GOOD).encode()
        assert rehearsal.result == "3 rows imported, 0 not"


class TestRowsThatComeAgain:
    def test_a_row_counts_once(self, database: Path, file: Path) -> None:
        file.write_text(HEADER + GOOD + "bad,Anna,2026-01-31,1.00,\n")
        import_id = new_import(file)
        write_all(import_id, rows_in(file) + rows_in(file))
        import_ = load(import_id)
        assert (import_.processed, import_.errors, len(errors(import_id))) == (2, 1, 1)
        assert contact("a@example.org").revision == 1

    def test_a_row_waits_for_the_one_before_it(self, database: Path, file: Path) -> None:
        file.write_text(HEADER + GOOD + GOOD)
        import_id = new_import(file)
        write_all(import_id, rows_in(file)[1:])
        assert load(import_id).processed == 0

    def test_a_row_that_is_cut_leaves_nothing(self, database: Path, file: Path) -> None:
        file.write_text(HEADER + GOOD)
        import_id = new_import(file)
        with pytest.raises(KeyboardInterrupt):
            write_and_cut(import_id, rows_in(file)[0])
        assert load(import_id).processed == 0
        write_all(import_id, rows_in(file))
        assert contact("a@example.org").revision == 1

    def test_the_numbers_are_right_wherever_it_starts_again(self, tmp_path: Path) -> None:
        file = tmp_path / "contacts.csv"
        planted = write_sample(file, 30)
        rows = rows_in(file)
        places = st.integers(0, len(rows))

        @given(st.lists(st.tuples(places, places)))
        def interrupted_at(turns: list[tuple[int, int]]) -> None:
            with pytest.MonkeyPatch.context() as patch:
                path = tmp_path / "interrupted.db"
                path.unlink(missing_ok=True)
                patch.setenv("DATABASE_URL", f"sqlite:///{path}")
                create_tables()
                import_id = new_import(file)
                validate(import_id)
                done = 0
                for back, to in turns:
                    start = min(back, done)
                    write_all(import_id, rows[start:to])
                    done = max(done, to)
                write_all(import_id, rows[done:])
                engine().dispose()
                assert audit(file, path, planted).problems() == []

        interrupted_at()


def write_all(import_id: int, rows: list[Row]) -> None:
    for row in rows:
        with engine().begin() as connection:
            write_row(connection, import_id, row)


def write_and_cut(import_id: int, row: Row) -> None:
    with engine().begin() as connection:
        write_row(connection, import_id, row)
        raise KeyboardInterrupt


class TestJob:
    def test_a_refused_file_finishes_its_job_and_sends_no_summary(
        self, database: Path, file: Path, connection: Redis
    ) -> None:
        file.write_text("name\n")
        _, job = enqueue_import(Queue(connection=connection), str(file))
        work(Queue(connection=connection))
        assert job.return_value() == "refused: missing columns: email, since, amount, note"
        assert not Job.exists(summary_id(job), connection)

    def test_a_failed_job_fails_its_import_and_requeueing_it_goes_on(
        self, database: Path, file: Path, connection: Redis
    ) -> None:
        queue = Queue(connection=connection)
        import_id, job = enqueue_import(queue, str(file))
        work(queue)
        import_ = load(import_id)
        assert (job.get_status(), import_.status) == ("failed", "failed")
        assert "No such file" in (import_.message or "")
        file.write_text(HEADER + GOOD)
        job.requeue()
        work(queue)
        assert (load(import_id).status, load(import_id).message) == ("completed", None)

    def test_the_summary_is_sent_when_the_import_is_complete(
        self, database: Path, file: Path, connection: Redis
    ) -> None:
        file.write_text(HEADER + GOOD)
        _, job = enqueue_import(Queue(connection=connection), str(file))
        work(Queue(connection=connection))
        summary = Job.fetch(summary_id(job), connection=connection)
        assert summary.return_value() == "Your import is completed: 1 rows imported, 0 to look at."

    def test_the_summary_is_sent_once_however_often_finalize_runs(
        self, database: Path, file: Path, connection: Redis
    ) -> None:
        import_id = import_text(file, HEADER + GOOD)
        queue = Queue(connection=connection)
        job = queue.enqueue(finalize_twice, import_id)
        work(queue)
        assert job.is_finished
        assert len(Job.fetch(summary_id(job), connection=connection).results()) == 1

    def test_the_numbers_are_right_after_two_horses_were_killed(
        self, database: Path, file: Path, live_jobs: LiveJobs
    ) -> None:
        planted = write_sample(file, 60)
        import_id, job = enqueue_import(live_jobs.queue, str(file))
        live_jobs.kill_horse(checkpoint=20)
        live_jobs.kill_horse(checkpoint=40)
        live_jobs.run(job)
        assert audit(file, database, planted).problems() == []
        assert load(import_id).status == "completed"
        assert job.get_meta()["rq_steps"]["executions"] == 3


def finalize_twice(import_id: int) -> None:
    """As a job: finalize, killed before it was recorded, and again."""
    finalize(import_id)
    finalize(import_id)


class TestRun:
    def test_it_enqueues_an_import_and_watches_it_to_its_end(
        self,
        database: Path,
        file: Path,
        redis_url: str,
        worker: Workers,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        file.write_text(HEADER + GOOD + "bad,Anna,2026-01-31,1.00,\n")
        monkeypatch.setenv("REDIS_URL", redis_url)
        worker("imports")
        assert run.main(file) == 0
        output = capsys.readouterr().out
        assert "2 of 2" in output
        assert "completed: 1 rows imported" in output
        assert "line 3, bad: email is not an e-mail address: 'bad'" in output

    def test_what_is_refused_is_told_and_ends_with_1(
        self, database: Path, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run.report(import_text(file, "email,name\n")) == 1
        assert capsys.readouterr().out == "failed: missing columns: since, amount, note\n"


FIRST = " FROM contacts WHERE id = 1"


class TestAudit:
    @pytest.mark.parametrize(
        ("sql", "problem"),
        [
            ("UPDATE contacts SET revision = revision + 1 WHERE id = 1", "1 duplicates"),
            ("INSERT INTO contacts SELECT 99, upper(email), name, since, cents, note, 0" + FIRST,
             "1 duplicates"),
            ("DELETE" + FIRST, "1 missing"),
            ("DELETE FROM row_errors WHERE id = 1", "1 missing"),
            ("UPDATE contacts SET name = 'nobody' WHERE id = 1", "1 wrong"),
            ("UPDATE row_errors SET line = line + 1 WHERE id = 1", "1 wrong"),
            ("UPDATE imports SET errors = errors + 1", "the import counted"),
        ],
    )  # fmt: skip
    def test_what_is_not_as_the_file_demands_is_a_problem(
        self, database: Path, file: Path, sql: str, problem: str
    ) -> None:
        planted = write_sample(file, 60)
        process_import(new_import(file))
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(sql)
        assert audit(file, database, planted).problems()[0].startswith(problem)


class TestSample:
    def test_it_holds_what_makes_csv_hard(self, file: Path) -> None:
        planted = write_sample(file, 2_000)
        text = file.read_text(encoding="utf-8")
        addresses = [row.key.strip().lower() for row in rows_in(file)]
        assert '""' in text
        assert not text.isascii()
        assert count_rows(str(file)) == 2_000 < text.count("\n") - 1
        assert len(set(addresses)) < len(addresses)
        assert {"email", "name", "since", "amount", "row"} == set().union(
            *(fault.columns for fault in planted)
        )

    def test_it_is_the_same_for_the_same_seed(self, tmp_path: Path) -> None:
        one, other = tmp_path / "one.csv", tmp_path / "other.csv"
        assert write_sample(one, 100, seed=3) == write_sample(other, 100, seed=3)
        assert one.read_bytes() == other.read_bytes()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestProgress:
    def test_a_terminal_has_one_line_that_is_written_anew(self) -> None:
        out = Terminal()
        with Progress("rows", out) as progress:
            for done in range(0, 1001, 100):
                progress.show(done, 1000)
        assert out.getvalue().count(ERASE) == 11
        assert out.getvalue().count("\n") == 1

    def test_elsewhere_there_is_a_line_for_every_tenth(self) -> None:
        out = io.StringIO()
        with Progress("rows", out) as progress:
            for done in range(1001):
                progress.show(done, 1000)
        lines = out.getvalue().splitlines()
        assert [int(line.split("]")[1].split()[0].replace(",", "")) for line in lines] == [
            *range(100, 1001, 100)
        ]

    def test_nothing_is_shown_before_the_total_is_known(self) -> None:
        out = io.StringIO()
        Progress("rows", out).show(0, 0)
        assert out.getvalue() == ""


def test_a_forked_process_has_an_engine_of_its_own(database: Path) -> None:
    parents, (reader, writer) = engine(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"own" if engine() is not parents else b"shared")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"own"
