"""The tables of the pages say what the code says."""

from __future__ import annotations

import csv
import dataclasses
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rq.defaults import DEFAULT_JOB_MONITORING_INTERVAL

import rq_steps
from rq_steps import (
    Step,
    StepsError,
    continuable,
    errors,
    events,
    keeper,
    patience,
    poison,
    settings,
    step,
)
from rq_steps.events import Event
from rq_steps.meta import progress
from rq_steps.record import Completed, Current, Record, Run, SourceMark
from rq_steps.sources import (
    Source,
    batches,
    chain,
    csv_dicts,
    csv_rows,
    fingerprint,
    jsonl,
    keyset,
    lines,
    nested,
    numbered,
    query,
    queryset,
    rows,
    text_file,
)
from rq_steps.sources.protocol import Described
from tests.docs.pages import README, Page, blocks, code

CONTRIBUTING = Page("CONTRIBUTING.md")
WRITING = Page("docs/writing-steps.md")
LOGGING = Page("docs/logging-and-events.md")
RECORD = Page("docs/the-record.md")
RUNNING = Page("docs/running.md")
SOURCES = Page("docs/sources.md")


def options_in_readme(place: int) -> dict[str, str]:
    rows = README.tables("option")[place]
    return {code(name): code(default) for name, (default, _) in rows.items()}


@pytest.mark.parametrize(("place", "decorator"), [(0, continuable), (1, step)])
def test_the_readme_lists_every_option_with_its_default(
    place: int, decorator: Callable[..., Any]
) -> None:
    parameters = inspect.signature(decorator).parameters.values()
    options = {
        each.name: repr(each.default) for each in parameters if each.kind is each.KEYWORD_ONLY
    }
    assert options_in_readme(place) == options


def test_with_options_takes_every_option_of_a_step() -> None:
    @step
    def some_step() -> None:
        pass

    assert set(inspect.signature(some_step.with_options).parameters) == set(options_in_readme(1))


def call(name: str) -> str:
    """A member of Step as the README shows it."""
    member = getattr(Step, name)
    if not inspect.isfunction(member):
        return name
    signature = inspect.signature(member)
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()][1:]
    return name + str(inspect.Signature(bare)).replace("'", '"')


def test_the_readme_lists_every_member_of_step_with_its_parameters() -> None:
    names = {name for name in dir(Step) if not name.startswith("_")}
    members = [call(name) for name in names]
    assert sorted(map(code, README.table("`Step`"))) == sorted(members)


def test_the_pages_list_every_member_of_a_source() -> None:
    members = {*vars(Source), *vars(Described)}
    names = {name for name in members if not name.startswith("_")} - {"mark"}
    assert {code(cell).partition("(")[0] for cell in SOURCES.table("member")} == names


def test_the_pages_list_every_wrapper_with_its_parameters() -> None:
    wrappers = (batches, numbered, chain, nested)
    assert [code(cell) for cell in SOURCES.table("wrapper")] == [
        each.__name__ + str(inspect.Signature(bare(each))) for each in wrappers
    ]


def bare(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters without their types."""
    parameters = inspect.signature(function).parameters.values()
    return [each.replace(annotation=each.empty) for each in parameters]


def test_the_pages_list_every_file_source_with_its_parameters() -> None:
    listed = {code(cell) for cell in SOURCES.table("call")}
    assert listed == {shown_call(each) for each in (lines, jsonl, csv_rows, csv_dicts)}


def test_the_pages_list_every_source_over_a_table_with_its_parameters() -> None:
    listed = {code(cell) for cell in SOURCES.table("function")}
    assert listed == {shown_function(each) for each in (rows, queryset, query)}


def shown_function(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    parameters = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return function.__name__ + str(inspect.Signature(parameters))


def test_the_pages_list_every_type_of_value_that_a_key_may_have() -> None:
    (listed,) = re.findall(r"Values may be (.*?) which with a time zone", SOURCES.text, re.DOTALL)
    expected = {kind.__name__ for kind in keyset._EXACT - keyset._BUFFERS}
    assert set(re.findall(r"`(\w+)`", listed)) == expected


def shown_call(function: Callable[..., Any]) -> str:
    """As the pages show it: without what they say of all of them at once."""
    of_all = {"encoding", "bad", "format_options"}
    parameters = [
        each.replace(annotation=each.empty, kind=each.POSITIONAL_OR_KEYWORD)
        for each in inspect.signature(function).parameters.values()
        if each.name not in of_all
    ]
    parameters.sort(key=lambda each: each.name == "header")  # which is behind a star
    return function.__name__ + str(inspect.Signature(parameters)).replace("'", '"')


def test_the_figures_of_a_file_are_those_of_the_code() -> None:
    assert f"its first {fingerprint.HEAD:,} bytes" in SOURCES.text
    assert f"the last {fingerprint.TAIL} bytes before the cursor" in SOURCES.text
    assert f"blocks of {text_file.TextFile.block_size // 1024} KiB" in SOURCES.text
    assert f"({csv.field_size_limit():,} characters)" in SOURCES.text


def test_the_pages_list_every_error() -> None:
    names = [
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, StepsError)
    ]
    assert sorted(map(code, WRITING.table("error"))) == sorted(names)
    assert set(names) <= set(rq_steps.__all__)


def fields_of(event: type[Event]) -> list[str]:
    return [field.name for field in dataclasses.fields(event)][1:]


def happening(kinds: list[type[Event]]) -> list[type[Event]]:
    """Those of the package that happen, and are no bases of others."""
    below = [each for kind in kinds for each in happening(kind.__subclasses__())]
    ours = [kind for kind in kinds if kind.__module__ == events.__name__]
    return below + [kind for kind in ours if not inspect.isabstract(kind)]


def test_the_pages_list_every_event_with_its_fields() -> None:
    listed = {
        code(name): [part.split("`")[1] for part in cell.split(", ") if "`" in part]
        for name, (cell,) in LOGGING.table("event").items()
    }
    published = {each.__name__: fields_of(each) for each in happening(Event.__subclasses__())}
    assert listed == published


def lines_of_the_log() -> set[str]:
    """The lines that the pages show, without the job."""
    text = "".join(block.text for block in blocks("text"))
    return set(re.findall(r"^Job 4ee9f3c8: (.*)$", text, re.MULTILINE))


def test_the_log_reads_as_shown() -> None:
    job, rows = "4ee9f3c8", "import_rows"
    turns: list[Event] = [
        events.Started(job),
        events.StepStarted(job, rows, None, False),
        events.Interrupted(job, rows, 67_543, "validate", "stopping", 0),
        events.Resumed(job, rows, 67_543, "validate", 2),
        events.StepStarted(job, rows, 67_543, True),
        events.Errored(job, rows, 80_012, "validate", ValueError("no such shop"), 5),
        events.Died(job, rows, 91_200, "validate", 1, False),
        events.StepCompleted(job, rows, 100_000),
        events.Finished(job, 2, 2),
        events.Finished(job, 2, 4),
    ]
    assert lines_of_the_log() == {turn.description for turn in turns}


def test_the_pages_list_every_reason() -> None:
    reasons = {
        keeper.STOPPING,
        keeper.ISOLATED,
        keeper.MAX_RUNTIME,
        keeper.TIMEOUT,
    }
    assert {cell.strip("`") for cell in LOGGING.table("reason")} == reasons | {"any other"}


def a_record() -> Record:
    return Record(
        Run("2026-11-22T05:52:59.188820Z", None),
        [Completed("validate", 100_000)],
        Current("import_rows", 67_543, SourceMark("sequence", 100_000)),
        executions=1,
        resumptions=1,
        runtime=812.4,
        front=True,
    )


def shown_json(page: Page) -> list[Any]:
    return [json.loads(block.text) for block in page.blocks if block.language == "json"]


def test_the_head_of_the_record_reads_as_shown() -> None:
    head = json.loads(a_record().head())
    assert shown_json(RECORD)[0] == head
    assert set(map(code, RECORD.table("key"))) == set(head)


def test_meta_reads_as_shown() -> None:
    assert shown_json(RECORD)[1] == progress(a_record(), 67_543)


PACKAGE = Path(rq_steps.__file__).parent


def rooms() -> list[str]:
    """The modules of the package and its folders, and those of the sources, who are many."""
    modules = [*PACKAGE.glob("*.py"), *PACKAGE.glob("sources/[!_]*.py")]
    folders = [each.parent for each in PACKAGE.glob("*/__init__.py")]
    return [f"rq_steps/{each.relative_to(PACKAGE)}" for each in modules + folders]


def test_the_map_of_the_house_names_every_room_once_and_none_that_is_not_there() -> None:
    named = re.findall(r"^\| (`rq_steps/[^|]*`) \|", CONTRIBUTING.text, re.MULTILINE)
    listed = [room for cell in named for room in map(code, cell.split(", "))]
    assert sorted(listed) == sorted([*rooms(), "rq_steps/*.lua"])


def test_the_way_of_an_execution_goes_through_rooms_that_are_there() -> None:
    _, _, behind = CONTRIBUTING.text.partition("## The way of one execution")
    named = re.findall(r"`([\w/]+\.py)`", behind.partition("\n## ")[0])
    assert named
    assert [name for name in named if not (PACKAGE / name).exists()] == []


def settings_in_use() -> dict[str, float]:
    """The variables of the environment, with their defaults, that the package heeds."""
    others = [each for each in PACKAGE.rglob("*.py") if each.stem != "settings"]
    imports = "".join(
        line
        for each in others
        for line in re.findall(r"from rq_steps\.settings import .*\n", each.read_text("utf-8"))
    )
    source = inspect.getsource(settings)
    found = re.findall(r'^(\w+) = _seconds\("(\w+)", ([\d.]+)\)', source, re.MULTILINE)
    return {
        variable: float(default)
        for constant, variable, default in found
        if re.search(rf"\b{constant}\b", imports)
    }


def test_the_pages_list_every_variable_with_its_default() -> None:
    listed = {code(name): float(code(row[0])) for name, row in RUNNING.table("variable").items()}
    assert listed == settings_in_use()


def test_the_figures_of_the_failure_table_are_those_of_the_code() -> None:
    """Of a busy worker, which looks at its heartbeats, the longest time to find a lost job."""
    assert f"a lease of {settings.LEASE:.0f} s" in README.text
    assert "within 60 s" in README.text
    assert settings.LEASE + DEFAULT_JOB_MONITORING_INTERVAL < 60
    assert f"up to {settings.OUTAGE / 60:.0f} minutes" in README.text
    assert "dies three times in a row" in README.text
    assert poison.MOST_DEATHS == 3


def test_the_figures_of_recovery_are_those_of_the_code() -> None:
    assert f"heard for {settings.LEASE:.0f} seconds" in RUNNING.text
    assert f"renewed every {settings.RENEW_EVERY:.0f} seconds" in RUNNING.text
    assert f"An idle worker looks every {settings.LOOK_EVERY:.0f} seconds" in RUNNING.text
    assert f"at most {patience.LONGEST_PAUSE:.0f} seconds" in RUNNING.text
