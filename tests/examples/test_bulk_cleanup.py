"""The clean-up: what is old goes, file and row, and the rest stays."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from examples.bulk_cleanup import jobs
from examples.bulk_cleanup.jobs import clean_up
from examples.bulk_cleanup.models import Base, Cleanup, Upload, engine
from rq_steps.testing import Rehearsal, everywhere

BEFORE = datetime(2025, 1, 1, tzinfo=timezone.utc)
UPLOADED_AT = {"young": BEFORE, "old": BEFORE - timedelta(seconds=1)}
AGES = ["old", "old", "young", "old", "old", "young", "old", "old", "old"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nine uploads are, of which two are young; they are deleted by two."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/uploads.db")
    monkeypatch.setattr(jobs, "BATCH", 2)
    Base.metadata.create_all(engine())
    folder = tmp_path / "uploads"
    folder.mkdir()
    fill(folder)
    return folder


def fill(folder: Path) -> None:
    with engine().begin() as connection:
        connection.execute(delete(Upload))
        connection.execute(delete(Cleanup))
        connection.execute(insert(Cleanup).values(id=1, before=BEFORE, deleted=0))
        for number, age in enumerate(AGES):
            path = folder / f"{age}-{number}"
            path.write_bytes(b"content")
            connection.execute(insert(Upload).values(path=str(path), uploaded_at=UPLOADED_AT[age]))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def names_of_rows() -> list[str]:
    with engine().connect() as connection:
        return sorted(Path(path).name for path in connection.scalars(select(Upload.path)))


def test_what_is_old_is_deleted_and_counted_once_wherever_the_job_is_cut(folder: Path) -> None:
    def make() -> Rehearsal:
        fill(folder)
        return Rehearsal(clean_up, 1)

    def check(rehearsal: Rehearsal) -> None:
        assert rehearsal.result == "7 uploads deleted, 2 left"
        assert names(folder) == names_of_rows() == ["young-2", "young-5"]

    coverage = everywhere(make, check)
    assert coverage.tried == coverage.points


def test_a_row_whose_file_is_gone_is_deleted_all_the_same(folder: Path) -> None:
    (folder / "old-3").unlink()
    assert Rehearsal(clean_up, 1).run().result == "7 uploads deleted, 2 left"


def test_a_file_that_cannot_be_deleted_keeps_its_row_until_it_can(folder: Path) -> None:
    stuck = folder / "old-3"
    stuck.unlink()
    stuck.mkdir()
    rehearsal = Rehearsal(clean_up, 1)
    with pytest.raises(OSError, match="old-3"):
        rehearsal.run()
    assert "old-3" in names_of_rows()
    stuck.rmdir()
    assert rehearsal.run().result == "7 uploads deleted, 2 left"


def test_each_minute_the_job_lets_others_through() -> None:
    rehearsal = Rehearsal(clean_up, 1)
    rehearsal.clock.per_checkpoint = 30
    rehearsal.run()
    *others, last = rehearsal.executions
    assert [each.reason for each in others] == ["max_runtime", "max_runtime"]
    assert (others[0].step, last.skipped) == ("delete_old", ("delete_old",))
    assert rehearsal.result == "7 uploads deleted, 2 left"


def test_what_somebody_else_deletes_meanwhile_is_not_counted(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    delete_rows = jobs.delete_rows

    def after_another(*given: Any) -> None:
        with engine().begin() as connection:
            connection.execute(delete(Upload).where(Upload.path == str(folder / "old-3")))
        delete_rows(*given)

    monkeypatch.setattr(jobs, "delete_rows", after_another)
    assert Rehearsal(clean_up, 1).run().result == "6 uploads deleted, 2 left"
