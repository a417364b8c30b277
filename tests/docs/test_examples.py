"""The examples of the pages run, and do what the pages say they do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest
import redis
from pyarrow import Table, parquet
from redis import Redis
from rq import Queue
from rq.job import Job
from sqlalchemy.orm import Session

from rq_steps import continuable, events
from rq_steps.testing import Rehearsal, everywhere
from tests.docs import calls, readers
from tests.docs.project import NOT_INSTALLED, STAND_INS, Project, files, load
from tests.rails.scene import work
from tests.workers import ROOT

NOT_ALONE = {"metrics.py", "progress.py"}
"""They change or need something, and have tests of their own."""


def status(job: Job) -> str:
    return job.get_status().value


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("file", sorted(set(files()) - set(NOT_INSTALLED) - NOT_ALONE))
def test_every_example_runs(file: str) -> None:
    load(file)


@pytest.mark.parametrize("file", NOT_INSTALLED)
def test_an_example_that_needs_other_packages_runs_with_stand_ins(
    project: Project, file: str
) -> None:
    paths = [project.folder, STAND_INS, ROOT]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "SENTRY_DSN": "https://dsn"}
    subprocess.run(
        [sys.executable, project.folder / file], check=True, env=os.environ | environment
    )


def test_the_examples_are_typed(project: Project) -> None:
    options = {
        "--config-file": ROOT / "setup.cfg",
        "--cache-dir": ROOT / ".mypy_cache" / "docs",
        "--follow-imports": "silent",
    }
    words = [str(word) for option in options.items() for word in option]
    wrongly_typed = {"from_scratch.py"} if redis.VERSION < (5, 0, 2) else set()  # it is `hdel`
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *words, *(project.files.keys() - wrongly_typed)],
        cwd=project.folder,
        env=os.environ | {"MYPYPATH": os.pathsep.join(map(str, [ROOT, STAND_INS]))},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.usefixtures("reader")
def test_the_import_of_the_readme_goes_on_at_the_very_row(connection: Redis) -> None:
    job = load("enqueue.py").job
    calls.during("upsert", "row 6", calls.stop)
    work(connection, "imports")
    assert calls.all_of("upsert") == readers.rows_of(42)[:7]
    work(connection, "imports")
    assert status(job) == "finished"
    assert job.return_value() == 10
    assert calls.all_of("upsert") == readers.rows_of(42)
    assert calls.all_of("count_rows") == [42]


@pytest.mark.usefixtures("reader")
def test_a_contact_that_comes_again_is_written_once(tmp_path: Path) -> None:
    update_contacts = load("contacts.py").update_contacts
    path = tmp_path / "contacts.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table contacts (email text primary key, name text)")

        def make() -> Rehearsal:
            with database:
                database.execute("delete from contacts")
            return Rehearsal(update_contacts, str(path))

        def check(rehearsal: Rehearsal) -> None:
            rows = database.execute("select name from contacts order by email").fetchall()
            assert rows == [("Ada",), ("Bob",), ("Cyd",)]

        everywhere(make, check)


@pytest.mark.usefixtures("reader")
def test_code_outside_the_steps_runs_each_time_and_a_step_once() -> None:
    rehearsal = Rehearsal(load("report.py").make_report, 7)
    rehearsal.interrupt(after="collect")
    assert rehearsal.run().result == "report 7: [1, 2, 3]"
    assert calls.all_of("mark_running") == [7, 7]
    assert calls.all_of("order_ids") == [7]


@pytest.mark.usefixtures("reader")
def test_a_cursor_that_is_an_id_finds_its_way_over_gaps() -> None:
    renumber_all = job_of(load("renumbering.py").renumber_all)
    assert_each_once(lambda: Rehearsal(renumber_all, 7), "renumber", range(2, 40, 3))


def job_of(step: Callable[..., object]) -> Callable[..., None]:
    """A job that is this step alone."""

    @continuable
    def job(*args: object) -> None:
        step(*args)

    return job


def assert_each_once(new: Callable[[], Rehearsal], what: str, expected: Iterable[object]) -> None:
    """Wherever the job is interrupted, it does nothing twice and leaves nothing out."""

    def make() -> Rehearsal:
        calls.calls.clear()
        return new()

    def check(rehearsal: Rehearsal) -> None:
        assert calls.all_of(what) == list(expected)

    everywhere(make, check, crashes=False)


@pytest.mark.usefixtures("reader")
def test_nested_loops_visit_each_pair_once() -> None:
    pay_out = job_of(load("nesting.py").pay_out)
    expected = [(account, payment) for account in range(3) for payment in range(4)]
    assert_each_once(lambda: Rehearsal(pay_out), "pay", expected)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("file", "name"), [("invoices.py", "send_invoices"), ("mark_sent.py", "mark_sent")]
)
def test_a_transaction_an_item_passes_the_guard(file: str, name: str) -> None:
    send_invoices = job_of(getattr(load(file), name))

    def make() -> Rehearsal:
        readers.Base.metadata.drop_all(readers.engine)
        readers.Base.metadata.create_all(readers.engine)
        with Session(readers.engine) as session, session.begin():
            session.add_all(readers.Invoice(number=number) for number in (1, 2, 3))
        return Rehearsal(send_invoices)

    def check(rehearsal: Rehearsal) -> None:
        with Session(readers.engine) as session:
            assert all(session.get_one(readers.Invoice, number).sent for number in (1, 2, 3))

    everywhere(make, check)
    readers.Base.metadata.drop_all(readers.engine)


@pytest.mark.usefixtures("reader")
def test_a_reminder_is_sent_for_each_row_of_a_table() -> None:
    readers.Base.metadata.create_all(readers.engine)
    with Session(readers.engine) as session, session.begin():
        session.add_all(readers.Invoice(number=number, sent=number > 1) for number in (1, 2, 3))
    remind = job_of(load("reminders.py").remind)
    assert_each_once(lambda: Rehearsal(remind), "send_letter", ["invoice 2", "invoice 3"])
    readers.Base.metadata.drop_all(readers.engine)


@pytest.mark.usefixtures("reader")
def test_a_query_goes_by_two_columns_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "library"
    books = [(number, f"book {number}", number % 3 + 3) for number in range(9)]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE books (id INTEGER, title TEXT, shelf INTEGER)")
        connection.executemany("INSERT INTO books VALUES (?, ?, ?)", books)
    reindex = job_of(load("library.py").reindex_books)
    expected = [f"book {number}" for number in (2, 5, 8, 1, 4, 7)]
    assert_each_once(lambda: Rehearsal(reindex, str(path)), "reindex", expected)


@pytest.mark.usefixtures("reader")
def test_an_async_step_goes_on_at_its_page() -> None:
    crawl = load("pages.py").crawl
    job = Rehearsal(crawl, "https://example.com")
    job.interrupt(during="fetch_pages", cursor=50)
    job.run()
    assert calls.all_of("fetch") == list(range(100))


@pytest.mark.usefixtures("reader")
def test_the_test_of_a_reader_passes() -> None:
    load("test_pages.py").test_a_shop_is_repriced()
    assert calls.all_of("renumber") == [1, 2, 3]


@pytest.mark.usefixtures("reader")
def test_an_import_goes_on_at_its_very_row_in_the_file(connection: Redis, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("email;name\n" + "".join(f"{n}@example.com;{n}\n" for n in range(5)))
    job = Queue(connection=connection).enqueue(load("orders_file.py").import_file, str(path))
    calls.during("upsert", "2@example.com", calls.stop)
    work(connection)
    assert job.get_meta()["rq_steps"]["cursor"]["record"] == 4
    work(connection)
    assert status(job) == "finished"
    assert calls.all_of("upsert") == [f"{n}@example.com" for n in range(5)]


@pytest.mark.usefixtures("reader")
def test_bad_rows_are_reported_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(b'email,name\nada@example.com,"a\nb"\nbob,\n"cyd@example.com\n')
    load("bad_rows.py").import_or_report(str(path))
    assert calls.all_of("upsert") == ["ada@example.com"]
    assert calls.all_of("report_row") == [
        (4, "no e-mail address"),
        (5, "unexpected end of data: a quote is not closed"),
    ]


@pytest.mark.usefixtures("reader")
def test_what_fsspec_opens_is_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.filesystem("memory").pipe("/bucket/orders.csv", b"email\nada@example.com\n")
    opened = fsspec.open("memory://bucket/orders.csv")
    monkeypatch.setattr(fsspec, "open", lambda url, anon: opened)
    load("bucket.py").import_from_bucket("orders.csv")
    assert calls.all_of("upsert") == ["ada@example.com"]


@pytest.mark.usefixtures("reader")
def test_each_row_of_a_folder_of_parquet_is_given(tmp_path: Path) -> None:
    rows = [{"sku": f"sku {number}", "price": number, "weight": 1.5} for number in range(3)]
    parquet.write_table(Table.from_pylist(rows), tmp_path / "prices.parquet")
    load("prices.py").import_prices(str(tmp_path))
    assert calls.all_of("upsert") == ["sku 0", "sku 1", "sku 2"]


@pytest.mark.usefixtures("reader")
def test_wrappers_give_what_the_page_says(tmp_path: Path) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("ada\nbob\n")
    new.write_text("cyd\n")
    module = load("newsletters.py")
    module.load_contacts(str(old))
    module.number_letters(str(old))
    assert calls.all_of("insert_all") == [2]
    assert calls.all_of("send_letter") == ["1 ada", "2 bob"]
    module.import_old_and_new(str(old), str(new))
    assert calls.all_of("upsert") == ["ada", "bob", "cyd"]
    module.import_all([str(new), str(old)])
    assert calls.all_of("upsert")[3:] == [f"cyd from {new}", f"ada from {old}", f"bob from {old}"]


@pytest.mark.usefixtures("reader")
def test_an_async_loop_goes_on_where_it_was(connection: Redis) -> None:
    job = Queue(connection=connection).enqueue(load("feed.py").read_feed, "https://example.com")
    calls.during("fetch", 5, calls.stop)
    work(connection)
    assert job.get_meta()["rq_steps"]["cursor"] == 4
    assert calls.all_of("insert_all") == [4]
    work(connection)
    assert status(job) == "finished"
    assert calls.all_of("insert_all") == [4, 4, 2]


@pytest.mark.usefixtures("reader")
def test_async_wrappers_give_what_the_page_says(tmp_path: Path) -> None:
    old = tmp_path / "old.txt"
    old.write_text("ada\nbob\n")
    module = load("sites.py")
    asyncio.run(module.store_sites(["a", "b"]))
    assert calls.all_of("upsert") == ["0 of a", "1 of a", "0 of b", "1 of b"]
    asyncio.run(module.store_old_and_new(str(old), "a"))
    assert calls.all_of("upsert")[4:] == ["ada", "bob", 0, 1]


@pytest.mark.usefixtures("reader")
def test_a_source_of_ones_own_keeps_the_law() -> None:
    tickets = load("tickets.py")
    tickets.close_tickets("acme")
    everything = [f"{page}-{number}" for page in ("first", "a", "b") for number in range(2)]
    assert calls.all_of("close_ticket") == everything
    pairs = list(tickets.Tickets("acme").open(None))
    for done, (_, cursor) in enumerate(pairs, 1):
        rest = [ticket for ticket, _ in tickets.Tickets("acme").open(cursor)]
        assert rest == everything[done:]


@pytest.mark.usefixtures("reader")
def test_progress_is_read_from_meta(connection: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    queue = Queue("imports", connection=connection)
    queue.enqueue(load("imports.py").process_import, 42, job_id="import-42")
    calls.during("upsert", "row 6", calls.stop)
    work(connection, "imports")
    job = load("progress.py").job
    assert capsys.readouterr().out.endswith("import_rows 7\n")
    assert load("progress_bar.py").share_done(job, 10) == pytest.approx(0.7)
    work(connection, "imports")
    assert load("progress_bar.py").share_done(job, 10) == 1


@pytest.mark.usefixtures("reader")
def test_the_share_of_a_file_is_that_of_its_bytes() -> None:
    done = SimpleNamespace(
        meta={"rq_steps": {"finished": False, "cursor": {"offset": 30}}}, refresh=lambda: None
    )
    assert load("progress_bar.py").share_done(done, 40) == pytest.approx(0.75)


@pytest.mark.usefixtures("reader")
def test_a_failed_job_goes_on_when_it_is_requeued(connection: Redis) -> None:
    job = a_failed_import(connection)
    job.requeue()
    work(connection, "imports")
    assert status(job) == "finished"
    assert calls.all_of("count_rows") == [42]
    assert calls.all_of("upsert") == ["row 0", *readers.rows_of(42)]


@pytest.mark.usefixtures("reader")
def test_a_failed_job_starts_from_scratch_by_the_recipe(connection: Redis) -> None:
    job = a_failed_import(connection)
    load("from_scratch.py").start_from_scratch(job)
    work(connection, "imports")
    assert status(job) == "finished"
    assert calls.all_of("count_rows") == [42, 42]
    assert calls.all_of("upsert") == ["row 0", *readers.rows_of(42)]


def a_failed_import(connection: Redis) -> Job:
    """It failed at the first row of its second execution, without having advanced in that."""
    queue = Queue("imports", connection=connection)
    job = queue.enqueue(load("imports.py").process_import, 42)
    calls.during("count_rows", 42, calls.stop)
    work(connection, "imports")
    calls.during("upsert", "row 0", calls.fail)
    work(connection, "imports")
    assert status(job) == "failed"
    return job


@pytest.mark.usefixtures("reader")
def test_a_throttled_job_asks_again_for_the_page_in_hand() -> None:
    rehearsal = Rehearsal(load("throttle.py").refresh_account, "acme").run()
    throttled, _ = rehearsal.executions
    assert (throttled.reason, throttled.cursor, throttled.wait) == ("rate limit", 2, 0.5)
    assert calls.all_of("fetch_page") == list(range(1000))


@pytest.mark.usefixtures("reader")
def test_a_batch_is_what_the_cursor_counts() -> None:
    export_orders = job_of(load("batches.py").export_orders)
    expected = [range(500), range(500, 1000), range(1000, 1200)]
    assert_each_once(lambda: Rehearsal(export_orders, 7), "upload", expected)


@pytest.mark.usefixtures("reader")
def test_shards_run_under_names_of_their_own() -> None:
    rehearsal = Rehearsal(load("shards.py").reindex_all, 2)
    rehearsal.interrupt(during="shard-1", cursor=1)
    first, second = rehearsal.run().executions
    assert first.record["completed"] == ["shard-0"]
    assert (second.skipped, second.ran) == (("shard-0",), ("shard-1",))
    assert calls.all_of("reindex") == ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]


@pytest.mark.usefixtures("reader")
def test_shards_are_jobs_of_their_own_to_run_at_once(connection: Redis) -> None:
    jobs = load("parallel.py").jobs
    work(connection, "search")
    assert {status(job) for job in jobs} == {"finished"}
    assert len(calls.all_of("reindex")) == 8 * 3


@pytest.mark.usefixtures("reader")
def test_a_stopped_download_has_its_item_again(connection: Redis) -> None:
    second = readers.urls()[1]
    job = Queue(connection=connection).enqueue(load("downloads.py").download)
    calls.during("save_part", (second, 1), calls.stop)
    work(connection)
    assert calls.all_of("save_part")[3:] == [(second, 1)]
    work(connection)
    assert status(job) == "finished"
    assert calls.all_of("save_part")[4:] == [(second, 1), (second, 2), (second, 3)]


@pytest.mark.usefixtures("reader")
def test_what_a_job_needs_of_the_application_is_made_by_each_execution() -> None:
    rehearsal = Rehearsal(load("app_jobs.py").send_campaign, 7)
    rehearsal.interrupt(during="send_letters", cursor=1)
    rehearsal.run()
    assert len(calls.all_of("app_context")) == 2
    assert calls.all_of("send_letter") == readers.addresses_of(7)


@pytest.mark.usefixtures("reader")
def test_a_subscriber_counts_what_happens() -> None:
    metrics = load("metrics.py")
    events.publish(events.Interrupted("id", "rows", 7, None, "stopping", 0.0))
    metrics.unsubscribe()
    events.publish(events.Interrupted("id", "rows", 8, None, "stopping", 0.0))
    assert calls.all_of("increment") == ["jobs.interrupted.stopping"]
