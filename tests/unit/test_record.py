"""The progress of one run as data: `rq_steps.record`."""

from __future__ import annotations

import json

import pytest

from rq_steps.errors import StepsError
from rq_steps.record import VERSION, Completed, Current, Record, Run, SourceMark
from rq_steps.values import JSON

RUN = Run("2024-02-29T01:02:03.000004Z", 2)

# Written by the first version, and to be read by every later one.
FIRST_HEAD = (
    '{"executions":3,"resumptions":2,"errors":1,"fruitless":0,"runtime":12.5,"finished":false,'
    '"front":true,"error":"Traceback: 1","version":1,"completed":2,'
    '"run":{"created_at":"2024-02-29T01:02:03.000004Z","repeats_left":2},'
    '"current":{"name":"import_rows","cursor":67543,'
    '"source":{"kind":"sequence","length":100000}}}'
)
FIRST_COMPLETED = '{"name":"validate","result":100000},{"name":"clear","result":{"$tuple":[1,2]}}'
FIRST_RECORD = Record(
    run=RUN,
    completed=[Completed("validate", 100000), Completed("clear", {"$tuple": [1, 2]})],
    current=Current("import_rows", 67543, SourceMark("sequence", 100000)),
    executions=3,
    resumptions=2,
    errors=1,
    fruitless=0,
    runtime=12.5,
    finished=False,
    front=True,
    error="Traceback: 1",
)


def again(record: Record) -> Record:
    """The record, saved and read."""
    fields = ",".join(done.dump() for done in record.completed)
    return Record.load(record.head(), Completed.load_all(fields))


def test_a_record_of_the_first_version_is_still_read() -> None:
    assert Record.load(FIRST_HEAD, Completed.load_all(FIRST_COMPLETED)) == FIRST_RECORD


def test_a_record_comes_back_as_it_was_saved() -> None:
    assert again(FIRST_RECORD) == FIRST_RECORD
    assert again(Record(RUN)) == Record(RUN)


@pytest.mark.parametrize("mark", [None, SourceMark("iterable", None), SourceMark("sequence", 0)])
@pytest.mark.parametrize("cursor", [None, 0, "ä\n\"'", [1, [2]], {"$tuple": [1]}, {"kind": "x"}])
def test_the_current_step_comes_back_with_its_cursor_and_its_source(
    cursor: JSON, mark: SourceMark | None
) -> None:
    current = Current("import_rows", cursor, mark)
    found = again(Record(RUN, current=current)).current
    assert found == current
    assert found is not None
    assert type(found.source) is type(mark)


def test_a_record_is_read_from_bytes_as_from_text() -> None:
    read = Record.load(FIRST_HEAD.encode(), Completed.load_all(FIRST_COMPLETED.encode()))
    assert read == FIRST_RECORD


def test_the_record_is_plain_json() -> None:
    head = json.loads(FIRST_RECORD.head())
    assert head["current"] == {
        "name": "import_rows",
        "cursor": 67543,
        "source": {"kind": "sequence", "length": 100000},
    }
    assert json.loads(FIRST_RECORD.completed[1].dump()) == {
        "name": "clear",
        "result": {"$tuple": [1, 2]},
    }


def test_the_head_does_not_grow_with_the_completed_steps() -> None:
    few, many = (
        Record(RUN, completed=[Completed(f"step-{n}", "x" * 100) for n in range(count)])
        for count in (10, 99)
    )
    assert len(few.head()) == len(many.head())


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb", "ä,{", "]"])
def test_any_name_and_result_survive_being_joined(name: str) -> None:
    steps = [Completed(name, name), Completed("other", [name, {name: None}])]
    joined = ",".join(done.dump() for done in steps)
    assert Completed.load_all(joined) == steps
    assert Completed.load_all(joined.encode()) == steps


def test_no_completed_steps_are_none() -> None:
    assert Completed.load_all("") == Completed.load_all(b"") == []


def test_a_record_that_a_newer_version_wrote_is_refused() -> None:
    newer = json.dumps(json.loads(FIRST_HEAD) | {"version": VERSION + 1})
    with pytest.raises(
        StepsError, match=rf"newer rq_steps \(version {VERSION + 1}, .* up to {VERSION}\)"
    ):
        Record.load(newer, [])


def test_what_the_head_does_not_say_is_the_default_and_what_is_unknown_is_passed_over() -> None:
    head = json.loads(FIRST_HEAD)
    for name in ("front", "fruitless", "error"):
        del head[name]
    read = Record.load(json.dumps(head | {"later": 1}), [])
    assert (read.front, read.fruitless, read.error) == (False, 0, None)
    assert read.executions == 3


def test_a_run_has_begun_when_it_has_got_as_far_as_a_step() -> None:
    assert not Record(RUN, executions=2).begun
    assert Record(RUN, current=Current("import_rows", None, None)).begun
    assert Record(RUN, completed=[Completed("validate", None)]).begun


@pytest.mark.parametrize(("current", "left"), [("a", None), ("b", "b")])
def test_a_step_that_has_completed_is_not_the_current_one_any_more(
    current: str, left: str | None
) -> None:
    """A signal may have come between the two."""
    record = Record(RUN, completed=[Completed("a", 1)], current=Current(current, 5, None))
    record.settle()
    assert (record.current and record.current.name) == left
