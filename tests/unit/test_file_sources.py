"""Lines, JSON Lines and CSV: what they give, and what a file may do while a job is away."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from rq_steps import InvalidStepError, Step, step
from rq_steps.sources import BadRecord, BadRecordError, csv_dicts, csv_parse, csv_rows, jsonl, lines
from rq_steps.sources.encodings import Encoding
from rq_steps.sources.files import Opener
from rq_steps.sources.line_splitter import LineSplitter
from rq_steps.sources.protocol import close
from rq_steps.sources.text_file import TextFile
from tests.unit.memory import Job
from tests.unit.visits import refused, visiting

CSV = b"a,b\n1,2\n3,4\n"
CONTACTS = 'name,note\nAda,"a\nb"\n\nBob,\nCyd,x\n'


@pytest.fixture
def job() -> Job:
    return Job()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "contacts.csv"
    path.write_text(CONTACTS)
    return path


# What they give


def test_lines_come_without_their_ends() -> None:
    file = io.BytesIO("ä\r\n\n  b \rc".encode())
    assert list(lines(file)) == ["ä", "", "  b ", "c"]


def test_lines_come_with_the_ends_of_a_text_file_where_these_are_kept() -> None:
    file = io.BytesIO("ä\r\n\n  b \rc".encode())
    assert list(lines(file, keepends=True)) == ["ä\n", "\n", "  b \n", "c"]


@pytest.mark.parametrize("keepends", [True, False])
def test_lines_that_are_taken_one_by_one_leave_the_others_where_they_are(
    keepends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [f"{number}{'x' * 100}\n" for number in range(4)]
    expected = given if keepends else [line.removesuffix("\n") for line in given]
    source = lines(io.BytesIO("".join(given).encode()), keepends=keepends)
    pages = source.pages(None)
    page = next(pages)
    with monkeypatch.context() as patch:
        patch.setattr(LineSplitter, "lines_of", refuse_to_split)
        assert [*page.one(0), *page.one(1)] == expected[:2]
    assert not page.is_over(2)
    assert list(iter(page.segment(2))) == expected[2:]
    assert page.is_over(4)
    close(pages)


def refuse_to_split(splitter: LineSplitter, text: str) -> Any:
    raise AssertionError(f"{len(text)} characters were to be split")


def test_json_lines_come_as_values_and_empty_lines_are_left_out() -> None:
    file = io.BytesIO(b'{"a": 1}\r\n\n  \n[2]\nnull')
    assert list(jsonl(file)) == [{"a": 1}, [2], None]


def test_csv_rows_come_as_lists_with_or_without_a_header(path: Path) -> None:
    rows = [["name", "note"], ["Ada", "a\nb"], ["Bob", ""], ["Cyd", "x"]]
    assert list(csv_rows(path)) == rows
    assert list(csv_rows(path, header=True)) == rows[1:]


def test_csv_dicts_take_their_names_from_the_header_or_from_the_caller(path: Path) -> None:
    assert list(csv_dicts(path))[1] == {"name": "Bob", "note": ""}
    assert next(iter(csv_dicts(path, ["a", "b"]))) == {"a": "name", "b": "note"}


def test_fields_that_are_too_many_or_missing_go_where_dict_reader_puts_them() -> None:
    file = io.BytesIO(b"a,b\n1\n1,2,3,4\n")
    assert list(csv_dicts(file, None, "more", "none")) == [
        {"a": "1", "b": "none"},
        {"a": "1", "b": "2", "more": ["3", "4"]},
    ]


@pytest.mark.parametrize("options", [{"delimiter": ";"}, {"dialect": "semicolons"}])
def test_csv_takes_the_dialects_and_options_of_the_csv_module(options: dict[str, Any]) -> None:
    csv.register_dialect("semicolons", delimiter=";")
    assert list(csv_rows(io.BytesIO(b"a;b,c\n"), **options)) == [["a", "b,c"]]
    csv.unregister_dialect("semicolons")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32", "latin-1"])
def test_a_path_a_text_of_a_path_and_an_open_file_are_the_same(
    encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("ä\nb\n", encoding=encoding)
    with path.open("rb") as file:
        for given in (path, str(path), file):
            assert list(lines(given, encoding=encoding)) == ["ä", "b"]
        assert not file.closed


@pytest.mark.parametrize("make", [csv_dicts, partial(csv_rows, header=True)])
def test_a_header_may_be_of_numbers(make: Any, job: Job) -> None:
    visited: list[Any] = []
    file = io.BytesIO(b'1,nan,"c"\n4,5,6\n7,8,9\n10,11,12\n')
    for _ in range(2):
        execution = visiting(job, lambda: make(file, quoting=csv.QUOTE_NONNUMERIC), visited)
        assert execution.error is None
    assert [next(iter(row.values() if make is csv_dicts else row)) for row in visited] == [4, 7, 10]


def test_names_need_be_no_texts(job: Job) -> None:
    names: Any = [1, None]
    visited: list[Any] = []
    for _ in range(2):
        assert visiting(job, lambda: csv_dicts(io.BytesIO(CSV), names), visited).error is None
    assert visited == [{1: "a", None: "b"}, {1: "1", None: "2"}, {1: "3", None: "4"}]


def test_a_byte_order_mark_is_no_part_of_the_first_field(tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text("name\nAda\n", encoding=encoding)
        assert list(csv_dicts(path, encoding=encoding)) == [{"name": "Ada"}]


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    for source in (lines(path), jsonl(path), csv_rows(path), csv_dicts(path)):
        assert list(source) == []


def test_the_cursor_tells_offset_line_and_number_of_the_item_in_hand(path: Path, job: Job) -> None:
    @step
    def visit(step: Step) -> list[Any]:
        return [
            (row["name"], *(step.cursor[each] for each in ("offset", "line", "record")))
            for row in step.each(csv_dicts(path))
        ]

    assert job.execute(visit).result == [
        ("Ada", 10, 2, 1),
        ("Bob", 21, 5, 2),
        ("Cyd", 26, 6, 3),
    ]


def test_a_file_knows_its_size_and_a_compressed_one_does_not(path: Path, tmp_path: Path) -> None:
    packed = tmp_path / "contacts.csv.gz"
    packed.write_bytes(gzip.compress(CONTACTS.encode()))
    size = len(CONTACTS)
    with gzip.open(packed) as file:
        totals = [csv_rows(each).total for each in (path, io.BytesIO(b"abc"), packed, file)]  # type: ignore[arg-type]  # mypy has no GzipFile be an IO
    assert totals == [size, 3, None, None]
    assert csv_rows(path).unit == "bytes"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("a\nb\nc", "a\nb\n"),
        ("a\nb\rc", "a\n"),
        ("a\rb\rc", "a\rb\r"),
        ("a\rb\r", "a\r"),  # the half of a line end, perhaps
        ("a\r", ""),
        ("abc", ""),
        ("\u0a41\u4100", ""),  # in UTF-16 and UTF-32, one's end and the other's beginning are "\\n"
        ("a\n\u0a41\u4100", "a\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_block_ends_with_the_last_whole_line(text: str, whole: str, encoding: str) -> None:
    end = Encoding(encoding, b"").end_of_lines(text.encode(encoding))
    assert text.encode(encoding)[:end] == whole.encode(encoding)


# Files that cannot be read


def test_a_text_file_is_refused(path: Path) -> None:
    with path.open() as file, pytest.raises(TypeError, match='binary mode, with "rb"'):
        lines(file)  # type: ignore[arg-type]  # it is what is refused


def test_an_upload_that_is_read_with_await_is_refused() -> None:
    class UploadFile:
        """As Starlette's."""

        async def read(self, size: int = -1) -> bytes:
            raise AssertionError("it was not to be read")

    upload: Any = UploadFile()
    with pytest.raises(TypeError, match=r"^a file is read without await, found <.*UploadFile"):
        lines(upload)


def test_a_file_that_cannot_seek_is_refused() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(TypeError, match="cannot seek"):
        lines(Pipe())


@pytest.mark.parametrize("given", [None, 5, [b"a"]])
def test_what_is_no_file_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="a path, URL or open binary file is wanted"):
        lines(given)


@pytest.mark.parametrize("encoding", ["cp037", "punycode"])
def test_an_encoding_in_which_lines_cannot_be_told_apart_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match="lines cannot be told apart"):
        lines(io.BytesIO(), encoding=encoding)


def test_an_unknown_encoding_dialect_or_choice_is_refused_where_it_is_named() -> None:
    with pytest.raises(LookupError):
        lines(io.BytesIO(), encoding="utf-9")
    with pytest.raises(csv.Error):
        csv_rows(io.BytesIO(), "exel")
    with pytest.raises(ValueError, match="bad must be 'raise' or 'hand_out', found 'skip'"):
        lines(io.BytesIO(), bad="skip")  # type: ignore[call-overload]  # it is what is refused


def test_a_url_without_fsspec_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ModuleNotFoundError, match=r"install it, or rq-steps\[files\]"):
        lines("memory://lines.txt")


def test_neither_fsspec_nor_the_file_sources_are_loaded_before_they_are_asked_for() -> None:
    code = "import sys, rq_steps.handle; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"fsspec", "csv", "rq_steps.sources.csv_file", "rq_steps.sources.csv_parse"} & set(
        run.stdout.split()
    )


# Bad records


BAD_CSV = b'a,b\n1,2\nx,"\xff\ny"\n3,4\n5,"6\n'
HANDED_OUT = [
    ["1", "2"],
    BadRecord(
        3,
        2,
        "'utf-8' codec can't decode byte 0xff in position 3: invalid start byte",
        b'x,"\xff\ny"\n',
    ),
    ["3", "4"],
    BadRecord(6, 4, "unexpected end of data: a quote is not closed", b'5,"6\n'),
]


def test_a_bad_record_is_handed_out_with_its_line() -> None:
    rows = csv_rows(io.BytesIO(BAD_CSV), header=True, bad="hand_out")
    assert list(rows) == HANDED_OUT


def test_a_bad_record_stands_in_the_place_of_a_dict_too() -> None:
    dicts = list(csv_dicts(io.BytesIO(BAD_CSV), bad="hand_out"))
    assert dicts[1] == HANDED_OUT[1]
    assert dicts[2] == {"a": "3", "b": "4"}


def test_a_field_beyond_the_limit_is_a_bad_record_and_the_next_line_is_another() -> None:
    limit = csv.field_size_limit(10)
    try:
        rows = list(csv_rows(io.BytesIO(b"1\n12345678901,2\n3\n"), bad="hand_out"))
    finally:
        csv.field_size_limit(limit)
    assert rows == [
        ["1"],
        BadRecord(2, 2, "field larger than field limit (10)", b"12345678901,2\n"),
        ["3"],
    ]


@pytest.mark.parametrize("behind", [b"", b"\n", b"\n\r\n2\n"])
def test_blank_lines_behind_a_bad_record_are_none_of_its_bytes(behind: bytes) -> None:
    _, bad, *_ = csv_rows(io.BytesIO(b'1\n"\xff\n"\n' + behind), bad="hand_out")
    assert isinstance(bad, BadRecord)
    assert bad.raw == b'"\xff\n"\n'


def test_rows_that_cannot_be_decoded_among_others_of_a_line_each_are_bad() -> None:
    data = b"".join(b"%d,\xff\n" % at if at % 300 == 299 else b"%d,a\n" % at for at in range(1000))
    rows = list(csv_rows(io.BytesIO(data), bad="hand_out"))
    assert [at for at, row in enumerate(rows) if isinstance(row, BadRecord)] == [299, 599, 899]
    assert [row.line for row in rows if isinstance(row, BadRecord)] == [300, 600, 900]
    assert rows[-1] == ["999", "a"]


def test_a_line_that_is_no_json_and_one_that_cannot_be_decoded_are_bad_records() -> None:
    values = list(jsonl(io.BytesIO(b'1\n\n{"a"\n"\xff"\n2'), bad="hand_out"))
    assert values[0] == 1
    assert [(bad.line, bad.record, bad.raw) for bad in values[1:3]] == [
        (3, 2, b'{"a"\n'),
        (4, 3, b'"\xff"\n'),
    ]
    assert values[3] == 2


@pytest.mark.parametrize("encoding", ["utf-8", "shift_jis"])
def test_a_line_that_cannot_be_decoded_is_a_bad_record(encoding: str) -> None:
    first, bad, last = list(lines(io.BytesIO(b"a\nb\xff\nc"), encoding=encoding, bad="hand_out"))
    assert (first, last) == ("a", "c")
    assert isinstance(bad, BadRecord)
    assert (bad.line, bad.raw) == (2, b"b\xff\n")


def test_without_handing_out_a_bad_record_is_an_error_that_names_file_and_line(
    tmp_path: Path, job: Job
) -> None:
    path, visited = tmp_path / "contacts.csv", list[Any]()
    path.write_bytes(BAD_CSV)

    @step
    def visit(step: Step) -> None:
        visited.extend(step.each(csv_rows(path)))

    error = job.execute(visit).error
    assert isinstance(error, BadRecordError)
    assert str(error).startswith(f"{path}, line 3: 'utf-8' codec can't decode")
    assert error.bad == BadRecord(3, 3, *(getattr(HANDED_OUT[1], n) for n in ("error", "raw")))
    assert visited == [["a", "b"], ["1", "2"]]
    assert job.cursor["record"] == 3  # type: ignore[index]  # it is a dict


def test_what_is_wrong_with_json_is_said_without_a_line_of_its_own() -> None:
    (bad,) = jsonl(io.BytesIO(b"\n{x}\n"), bad="hand_out")
    assert isinstance(bad, BadRecord)
    assert bad.line == 2
    assert bad.error.endswith("in column 2")
    assert "line 1" not in bad.error


def test_a_text_in_the_place_of_names_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^fieldnames are a list of names, found ';'"):
        csv_dicts(io.BytesIO(b""), ";")


def test_an_encoding_is_given_by_its_name() -> None:
    nothing: Any = None
    with pytest.raises(TypeError, match=r"^encoding must be a name, .* found None"):
        lines(io.BytesIO(b""), encoding=nothing)


def test_what_ends_behind_an_escape_character_is_not_said_to_be_a_quote_alone() -> None:
    _, bad = csv_rows(io.BytesIO(b"a\nb^"), escapechar="^", bad="hand_out")
    assert isinstance(bad, BadRecord)
    assert bad.error == (
        "unexpected end of data: a quote is not closed, or an escape character is the last"
    )


def test_a_bad_header_is_an_error_in_any_case() -> None:
    with pytest.raises(BadRecordError, match="a BytesIO, line 1: unexpected end of data"):
        list(csv_dicts(io.BytesIO(b'"a\n'), bad="hand_out"))


# On resume


@pytest.mark.parametrize("make", [lines, csv_rows, csv_dicts])
def test_a_step_goes_on_at_its_record(make: Any, path: Path, job: Job) -> None:
    visited: list[Any] = []
    assert visiting(job, lambda: make(path), visited).departure is not None
    assert visiting(job, lambda: make(path), visited).departure is None
    assert visited == list(make(path))


def test_going_on_reads_nothing_of_what_is_done(job: Job) -> None:
    class Counting(io.BytesIO):
        bytes_read = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.bytes_read += len(data)
            return data

    data, at = b"a,b\n" + b"1,2\n" * 100_000, 99_990

    def visit_up_to(record: int, file: io.BytesIO) -> Callable[[], object]:
        @step(name="visit")
        def visit(step: Step) -> None:
            for _ in step.each(csv_dicts(file)):
                if step.cursor["record"] == record:
                    job.call()

        return visit

    job.execute(visit_up_to(at, io.BytesIO(data)))
    file = Counting(data)
    assert job.execute(visit_up_to(0, file)).departure is None
    # The header, twice, and what is left.
    assert file.bytes_read < TextFile.block_size


def test_each_execution_looks_at_the_file_anew_where_the_source_outlives_it(
    path: Path, job: Job
) -> None:
    source, visited = csv_dicts(path), list[Any]()
    assert len(list(source)) == 3
    path.write_text(CONTACTS.replace("note", "remark"))
    visiting(job, lambda: source, visited)
    path.write_text(CONTACTS.replace("note", "notes."))
    assert "other columns: found 'name', 'notes.'" in refused(job, lambda: source)
    path.write_text(CONTACTS.replace("note", "remark"))
    visiting(job, lambda: source, visited)
    assert [row["remark"] for row in visited] == ["a\nb", "", "x"]


def test_a_file_that_grew_is_gone_on_with(path: Path, job: Job) -> None:
    visited: list[Any] = []
    visiting(job, lambda: csv_dicts(path), visited)
    with path.open("a") as file:
        file.write("Dan,y\n")
    visiting(job, lambda: csv_dicts(path), visited)
    assert [row["name"] for row in visited] == ["Ada", "Bob", "Cyd", "Dan"]


@pytest.mark.parametrize(
    ("make", "contents", "left"),
    [
        (csv_dicts, [b"", b"\n", b"a,b\n", b"a,b\n1,2\n"], [{"a": "1", "b": "2"}]),
        (csv_dicts, [b"\n\n", b"\n\na,b\n1,2\n"], [{"a": "1", "b": "2"}]),
        (partial(csv_rows, header=True), [b"", b"a\n1\n"], [["1"]]),
        (csv_rows, [b"", codecs.BOM_UTF8, codecs.BOM_UTF8 + b"1\n"], [["1"]]),
    ],
    ids=["dicts", "blank lines", "rows", "a mark"],
)
def test_a_header_or_a_mark_that_comes_later_is_no_record(
    make: Any, contents: list[bytes], left: list[Any], path: Path, job: Job
) -> None:
    visited: list[Any] = []

    @step
    def follow(step: Step) -> None:
        visited.extend(step.each(make(path)))
        step.interrupt(wait=60)

    for content in contents:
        path.write_bytes(content)
        assert job.execute(follow).error is None
    assert visited == left


def test_a_file_whose_header_has_moved_behind_what_was_done_is_another_one(path: Path) -> None:
    path.write_bytes(b"a\n1\n2\n")
    ((_, cursor), *_) = csv_dicts(path).open(None)
    path.write_bytes(b"\n\n\n\n\na\n3\n")
    with pytest.raises(InvalidStepError, match="has other content before byte 4"):
        list(csv_dicts(path).open(cursor))


@pytest.mark.parametrize(
    ("before", "grown", "left"),
    [
        (b"a\nb", b"a\nb\nc\n", ["c"]),
        (b"a\nb", b"a\nb\r\nc\n", ["c"]),
        (b"a\nb\r", b"a\nb\r\nc\n", ["c"]),
        (b"a\nb\r", b"a\nb\rc\n", ["c"]),
        (b"a\nb\n", b"a\nb\n\nc", ["", "c"]),
        (b"a\nb", b"a\nb", []),
    ],
)
def test_a_last_line_may_get_its_end_later(before: bytes, grown: bytes, left: list[str]) -> None:
    *_, (_, cursor) = lines(io.BytesIO(before)).open(None)
    assert [item for item, _ in lines(io.BytesIO(grown)).open(cursor)] == left


def test_a_last_line_that_is_done_and_goes_on_is_an_error() -> None:
    *_, (_, cursor) = lines(io.BytesIO(b"a\nb")).open(None)
    with pytest.raises(InvalidStepError, match="line 2, the last one when it was read, goes on"):
        list(lines(io.BytesIO(b"a\nbc\nd")).open(cursor))


def test_a_file_that_shrank_is_an_error(path: Path, job: Job) -> None:
    visiting(job, lambda: csv_dicts(path), [])
    path.write_text(CONTACTS[:-2])
    assert refused(job, lambda: csv_dicts(path)) == (
        f"step 'visit': {path} has shrunk: found 30 bytes, expected 32 or more: "
        "put it back as it was, and requeue the job"
    )


@pytest.mark.parametrize("left", [0, 40_000, 64 * 1024, 100_000])
def test_a_file_that_is_cut_off_while_it_is_read_is_an_error(
    left: int, tmp_path: Path, job: Job
) -> None:
    path, visited = tmp_path / "log", list[str]()
    path.write_bytes(b"0123456\n" * 20_000)

    @step
    def visit(step: Step) -> None:
        for line in step.each(lines(path)):
            visited.append(line)
            if len(visited) == 5:
                os.truncate(path, left)

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert f"{path} has shrunk: found " in str(error)
    assert len(visited) < 20_000


@pytest.mark.parametrize("source", [lines, csv_rows, jsonl])
def test_a_line_in_which_a_file_was_cut_off_is_not_taken_for_a_whole_one(
    source: Callable[[Path], TextFile[Any]], tmp_path: Path, job: Job
) -> None:
    path, visited = tmp_path / "log", list[Any]()
    content = b"".join(b'[%d, "row"]\n' % number for number in range(20_000))
    path.write_bytes(content)
    expected = list(source(path))

    @step
    def visit(step: Step) -> None:
        for item in step.each(source(path)):
            visited.append(item)
            if len(visited) == 5:
                os.truncate(path, content.index(b"row", 150_000))

    assert isinstance(job.execute(visit).error, InvalidStepError)
    assert visited == expected[: len(visited)]
    path.write_bytes(content)
    job.execute_until_done(visit)
    assert visited == expected


def test_other_content_at_the_beginning_is_an_error(path: Path, job: Job) -> None:
    visiting(job, lambda: csv_dicts(path), [])
    path.write_text(CONTACTS.replace("Ada", "Eve") + "Dan,y\n")
    message = refused(job, lambda: csv_dicts(path))
    assert message.startswith(f"step 'visit': {path} has other content before byte ")


def test_what_was_mended_behind_the_cursor_is_gone_on_with(path: Path, job: Job) -> None:
    path.write_bytes(b"name,note\nAda,x\nB\xff,y\n")
    visited = list[Any]()
    visiting(job, lambda: csv_dicts(path), visited)
    path.write_bytes("name,note\nAda,x\nBé,y\n".encode())
    visiting(job, lambda: csv_dicts(path), visited)
    assert [row["name"] for row in visited] == ["Ada", "Bé"]


def test_a_file_may_have_been_compressed_better(tmp_path: Path, job: Job) -> None:
    path, visited = tmp_path / "numbers.gz", list[Any]()
    content = "".join(f"{number}\n" for number in range(500)).encode()
    path.write_bytes(gzip.compress(content, 0))
    visiting(job, lambda: lines(path), visited)
    size = path.stat().st_size
    path.write_bytes(gzip.compress(content, 9))
    assert path.stat().st_size < size
    visiting(job, lambda: lines(path), visited)
    assert visited == [str(number) for number in range(500)]


@pytest.mark.parametrize("changed", ["0100", "0499"])
def test_other_content_before_the_cursor_is_an_error(
    changed: str, tmp_path: Path, job: Job
) -> None:
    path = tmp_path / "numbers"
    numbers = [f"{number:04}\n" for number in range(1000)]
    path.write_text("".join(numbers))

    @step
    def visit(step: Step) -> None:
        for item in step.each(lines(path)):
            if item == "0500":
                job.call()

    job.execute(visit)
    path.write_text("".join(numbers).replace(changed, "9940"))
    message = refused(job, lambda: lines(path))
    assert f"{path} has other content before byte 2505, line 502: found checksum " in message
    assert ", expected " in message


def test_other_columns_are_an_error_that_names_both(path: Path, job: Job) -> None:
    visiting(job, lambda: csv_dicts(path, ["a", "b"]), [])
    assert refused(job, lambda: csv_dicts(path, ["a", "c"])) == (
        f"step 'visit': {path} has other columns: found 'a', 'c', expected 'a', 'b'"
    )
    assert "found 'name', 'note', expected 'a', 'b'" in refused(job, lambda: csv_dicts(path))


def test_of_many_columns_the_record_keeps_a_checksum(tmp_path: Path, job: Job) -> None:
    path, visited = tmp_path / "wide.csv", list[Any]()
    names = [f"column {number}" for number in range(500)]
    path.write_text(",".join(names) + "\n1\n2\n3\n")
    visiting(job, lambda: csv_rows(path, header=True), visited)
    assert len(job.head or "") < 1000
    other = [*names[:-1], "another"]
    assert "found 500 with the checksum" in refused(job, lambda: csv_dicts(path, other))
    visiting(job, lambda: csv_rows(path, header=True), visited)
    assert visited == [["1"], ["2"], ["3"]]


def test_a_cursor_of_another_shape_is_an_error(path: Path, job: Job) -> None:
    for start in (5, {"offset": 10}, {"offset": -1, "line": 1, "record": 1, "before": ""}):

        @step(start=start)
        def visit(step: Step) -> None:
            step.each(lines(path))

        error = Job().execute(visit).error
        assert isinstance(error, InvalidStepError)
        assert str(error).endswith(f"with offset, line, record, before, found {start!r}")


def test_another_kind_of_source_is_an_error(path: Path, job: Job) -> None:
    visiting(job, lambda: csv_dicts(path), [])
    assert "found a line file, but its cursor {'offset'" in refused(job, lambda: lines(path))
    assert "was kept for a CSV file" in refused(job, lambda: lines(path))


def test_the_record_keeps_the_size_of_a_file_and_its_columns(path: Path, job: Job) -> None:
    visiting(job, lambda: csv_dicts(path), [])
    current = job.record.current
    assert current is not None
    assert current.source is not None
    assert current.source.contract == {"size": len(CONTACTS), "columns": ["name", "note"]}


# What is held open


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("leave", ["break", "raise", "return", "never begun"])
def test_a_file_is_closed_when_its_step_is_over(
    leave: str, native: bool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    stored = Opener._stored

    def noting(opener: Opener, stack: Any) -> Any:
        opened.append(stored(opener, stack))
        return opened[-1]

    monkeypatch.setattr(Opener, "_stored", noting)
    held: list[Any] = []

    @step
    def visit(step: Step) -> None:
        rows = step.each(lines(path))
        held.append(rows)
        for _ in rows if leave != "never begun" else ():
            if leave == "break":
                break
            if leave == "return":
                return
            raise ValueError

    Job(native=native).execute(visit)
    assert opened
    assert all(file.closed for file in opened)


def test_an_item_may_read_on_in_the_file_that_it_is_of(job: Job) -> None:
    file = io.BytesIO(b"".join(b"%d\n" % number for number in range(50)))
    visited = []

    @step
    def visit(step: Step) -> None:
        source = lines(file)
        source.block_size = 10
        for line in step.each(source):
            visited.append(int(line))
            file.seek(0)

    job.execute(visit)
    assert visited == list(range(50))


def test_a_row_of_two_lines_slows_down_no_rows_far_behind_it(tmp_path: Path) -> None:
    path, count = tmp_path / "rows.csv", 150_000
    path.write_text('"a\nb"\n' + "c\n" * count)
    modules, executed = {csv_parse.__file__}, 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal executed
        executed += event == "line"
        return trace if frame.f_code.co_filename in modules else None

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        found = sum(1 for _ in csv_rows(path))
    finally:
        sys.settrace(previous)
    assert found == 1 + count
    assert executed < 2 * count, "lines of code: of each row is asked where it begins"
