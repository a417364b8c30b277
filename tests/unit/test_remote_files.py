"""Files that fsspec opens, over HTTP most of all; and what else may be given as a file."""

from __future__ import annotations

import bz2
import codecs
import gc
import gzip
import io
import lzma
import mmap
import multiprocessing
import os
import socket
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from traceback import format_exception
from typing import IO, Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from rq_steps import Step, continuable, step
from rq_steps.sources import (
    BadRecord,
    BadRecordError,
    Source,
    chain,
    csv_dicts,
    csv_rows,
    jsonl,
    lines,
    nested,
    numbered,
)
from rq_steps.testing import Rehearsal, everywhere
from tests.unit.law import assert_law, in_blocks
from tests.unit.memory import Job
from tests.unit.visits import refused, visiting
from tests.web import Served, Web, served

CONTACTS = 'name,note\r\nAda,"a\nb"\r\n\r\nBob,ä\r\nCyd,x'.encode()
NAMES = ["Ada", "Bob", "Cyd"]
COUNT = 100_000
HEAD = 200_000
"""The most that decompressing its beginning fetches, in bytes."""
NUMBERS = b"number,name\n" + b"".join(b"%08d,abcdefghij\n" % number for number in range(COUNT))
PLAIN = ["HEAD", "HEAD", "GET"]
WITH_A_HEADER = [*PLAIN, "HEAD", "GET"]
"""What a web server is asked for where a loop begins."""

each_server = pytest.mark.parametrize(
    "options",
    [{}, {"ranges": False}, {"length": False}, {"ranges": False, "length": False}, {"packs": True}],
    ids=["ranges", "no ranges", "no length", "neither", "packs"],
)


@pytest.fixture
def web() -> Iterator[Web]:
    with served() as web:
        yield web


@pytest.fixture
def job() -> Job:
    return Job()


def arrange(served: Served, options: dict[str, Any]) -> None:
    for name, value in options.items():
        setattr(served, name, value)


def names(file: Any) -> list[str]:
    return [row["name"] for row in csv_dicts(file)]


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("contacts.csv", content)
    return file.getvalue()


def tarred(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("contacts.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def zstd(content: bytes) -> bytes:
    packed: bytes = import_module("zstandard").compress(content)
    return packed


def go_on_late(source: Callable[[], Source[Any]], served: Served) -> tuple[Any, int]:
    """The row at which it is gone on shortly before the end, and the bytes sent for it."""
    cursor = [cursor for _, cursor in source().open(None)][-1001]
    kept = source().mark.contract
    served.requests.clear()
    again = source()
    again.check(kept)
    item, _ = next(again.open(cursor))
    return item, served.sent


# What they give


@each_server
def test_the_law_over_http(options: dict[str, Any], web: Web) -> None:
    arrange(web.serve("contacts.csv", CONTACTS), options)
    url = web.url_of("contacts.csv")
    assert names(url) == NAMES
    assert_law(lambda: in_blocks(csv_dicts(url), 7))


@each_server
def test_a_large_file_and_an_empty_one_are_read_whole(options: dict[str, Any], web: Web) -> None:
    arrange(web.serve("numbers.csv", NUMBERS), options)
    arrange(web.serve("empty.csv", b""), options)
    rows = list(csv_rows(web.url_of("numbers.csv")))
    assert (len(rows), rows[-1]) == (COUNT + 1, [f"{COUNT - 1:08}", "abcdefghij"])
    assert list(csv_dicts(web.url_of("empty.csv"))) == []


def test_bytes_that_are_no_utf_8_and_a_line_longer_than_what_is_fetched_at_once(web: Web) -> None:
    texts = ["ä" * 300_000, "", "b"]
    web.serve("lines.txt", "\r\n".join(texts).encode("utf-16"))
    url = web.url_of("lines.txt")
    assert list(lines(url, encoding="utf-16")) == texts
    assert_law(lambda: lines(url, encoding="utf-16"))


def test_a_bad_record_has_the_line_and_the_error_the_url(web: Web) -> None:
    web.serve("values.jsonl", b"1\n{\n3\n")
    url = web.url_of("values.jsonl")
    one, bad, three = jsonl(url, bad="hand_out")
    assert (one, three) == (1, 3)
    assert isinstance(bad, BadRecord)
    assert (bad.line, bad.raw) == (2, b"{\n")
    with pytest.raises(BadRecordError, match=f"^{url}, line 2: "):
        list(jsonl(url))


@pytest.mark.parametrize(
    ("name", "pack", "url"),
    [
        ("contacts.csv.gz", gzip.compress, "{}"),
        ("contacts.csv.gz", gzip.compress, "{}?token=a/b.c"),
        ("contacts.csv.gz", gzip.compress, "simplecache::{}"),
        ("contacts.csv.GZ", gzip.compress, "{}"),
        ("contacts.csv.bz2", bz2.compress, "{}"),
        ("contacts.csv.xz", lzma.compress, "{}"),
        ("contacts.zip", zipped, "zip://contacts.csv::{}"),
        ("contacts.tar", tarred, "tar://contacts.csv::{}"),
        ("contacts.csv", bytes, "simplecache::{}"),
    ],
)
def test_what_is_packed_or_goes_through_a_cache(
    name: str, pack: Callable[[bytes], bytes], url: str, web: Web
) -> None:
    web.serve(name, pack(CONTACTS))
    url = url.format(web.url_of(name))
    assert names(url) == NAMES
    assert_law(lambda: in_blocks(csv_dicts(url), 7))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_fsspecs_own_cache_of_blocks_may_lie_between(web: Web) -> None:
    """It leaves files of its own open."""
    web.serve("contacts.csv", CONTACTS)
    assert names(f"blockcache::{web.url_of('contacts.csv')}") == NAMES
    gc.collect()


def test_the_size_is_known_where_the_server_tells_it(web: Web) -> None:
    file = web.serve("contacts.csv", CONTACTS)
    url = web.url_of("contacts.csv")
    assert csv_dicts(url).total == len(CONTACTS)
    file.length = False
    assert csv_dicts(url).total is None


# What is fetched


def test_going_on_late_fetches_no_more_than_the_head_and_what_is_there(web: Web) -> None:
    file = web.serve("numbers.csv", NUMBERS)
    row, sent = go_on_late(lambda: csv_dicts(web.url_of("numbers.csv")), file)
    assert row["number"] == f"{COUNT - 1000:08}"
    assert len(NUMBERS) > 2_000_000
    assert sent < 300_000


@pytest.mark.parametrize(
    ("make", "requests"),
    [
        (lines, PLAIN),
        (csv_dicts, WITH_A_HEADER),
        (lambda url: csv_rows(url, header=True), WITH_A_HEADER),
        (lambda url: csv_dicts(url, ["a", "b"]), PLAIN),
        (lambda url: numbered(csv_dicts(url)), WITH_A_HEADER),
    ],
    ids=["lines", "dicts", "rows with a header", "dicts with names", "numbered"],
)
def test_an_execution_asks_for_the_size_and_opens_a_file_once_and_once_more_for_a_header(
    make: Callable[[Any], Source[Any]], requests: list[str], web: Web, job: Job
) -> None:
    file, visited = web.serve("contacts.csv", CONTACTS), list[Any]()
    for _ in range(2):
        visiting(job, lambda: make(web.url_of("contacts.csv")), visited)
        assert [request.method for request in file.requests] == requests
        file.requests.clear()


def test_a_header_takes_no_more_than_the_first_part(web: Web) -> None:
    file = web.serve("numbers.csv", codecs.BOM_UTF8 + NUMBERS)
    rows = csv_dicts(web.url_of("numbers.csv")).open(None)
    assert next(rows)[0]["number"] == "00000000"
    assert [request.begin for request in file.requests] == [0, 0, 65_536]  # HEAD and two parts


def test_a_chain_looks_at_each_of_its_files_once_and_opens_those_that_are_left(
    web: Web, job: Job
) -> None:
    first, second = (web.serve(name, CONTACTS) for name in ("a.csv", "b.csv"))
    first.content = CONTACTS[:21]
    urls = [web.url_of(name) for name in ("a.csv", "b.csv")]

    def looked_at() -> list[int]:
        visiting(job, lambda: chain(*map(csv_dicts, urls)), [])
        counts = [len(file.requests) for file in (first, second)]
        for file in (first, second):
            file.requests.clear()
        return counts

    assert looked_at() == [5, 5]
    assert looked_at() == [3, 5]


def test_what_is_packed_for_the_way_is_asked_for_as_it_is(web: Web) -> None:
    """A server that packs it gives no ranges."""
    file = web.serve("numbers.csv", NUMBERS)
    file.packs = True
    row, sent = go_on_late(lambda: csv_dicts(web.url_of("numbers.csv")), file)
    assert row["number"] == f"{COUNT - 1000:08}"
    assert sent < 300_000


def test_what_is_compressed_is_fetched_up_to_the_place(web: Web) -> None:
    packed = gzip.compress(NUMBERS)
    file = web.serve("numbers.csv.gz", packed)
    row, sent = go_on_late(lambda: csv_dicts(web.url_of("numbers.csv.gz")), file)
    assert row["number"] == f"{COUNT - 1000:08}"
    assert sent < len(packed) + 4 * HEAD


def test_a_whole_pass_fetches_each_byte_once_in_a_few_parts(web: Web) -> None:
    file = web.serve("numbers.csv", NUMBERS)
    assert len(list(lines(web.url_of("numbers.csv")))) == COUNT + 1
    assert file.sent == len(NUMBERS)
    assert len([request for request in file.requests if request.method == "GET"]) < 8


def test_without_ranges_what_is_done_is_fetched_again(web: Web) -> None:
    file = web.serve("numbers.csv", NUMBERS)
    file.ranges = False
    row, sent = go_on_late(lambda: csv_dicts(web.url_of("numbers.csv")), file)
    assert row["number"] == f"{COUNT - 1000:08}"
    assert sent >= len(NUMBERS) - 20_000


# What changes underneath


def test_a_file_that_grew_is_gone_on_with(web: Web, job: Job) -> None:
    file, visited = web.serve("contacts.csv", CONTACTS), list[Any]()
    url = web.url_of("contacts.csv")
    visiting(job, lambda: csv_dicts(url), visited)
    file.content += b"\r\nDan,y\r\n"
    visiting(job, lambda: csv_dicts(url), visited)
    assert [row["name"] for row in visited] == [*NAMES, "Dan"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (CONTACTS[:-2], "has shrunk: found 35 bytes, expected 37 or more"),
        (CONTACTS.replace(b"Ada", b"Eve"), "has other content before byte 32, line 6: found"),
        (CONTACTS.replace(b"note", b"nope"), "has other columns: found 'name', 'nope'"),
    ],
    ids=["shrunk", "another row", "another column"],
)
@pytest.mark.parametrize("form", ["contacts.csv", "contacts.zip"])
def test_a_file_that_changed_is_refused(
    content: bytes, why: str, form: str, web: Web, job: Job
) -> None:
    pack = zipped if form.endswith("zip") else bytes
    file = web.serve(form, pack(CONTACTS))
    url = web.url_of(form) if pack is bytes else f"zip://contacts.csv::{web.url_of(form)}"
    visiting(job, lambda: csv_dicts(url), [])
    file.content = pack(content)
    assert refused(job, lambda: csv_dicts(url)).startswith(f"step 'visit': {url} {why}")


class Remembering(MemoryFileSystem):  # type: ignore[misc]  # fsspec says nothing of its types
    """A file system that does not ask again for what it has listed, as that of S3."""

    protocol = "remembering"
    sizes: ClassVar[dict[str, int]] = {}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.rpartition("/")[-1]

    def size(self, path: str) -> int:
        return self.sizes.setdefault(path, super().size(path))

    def invalidate_cache(self, path: str | None = None) -> None:
        self.sizes.clear()


def test_what_a_file_system_has_listed_before_does_not_count() -> None:
    fsspec.register_implementation("remembering", Remembering, clobber=True)
    for content in (CONTACTS, CONTACTS * 2):
        fsspec.filesystem("remembering").pipe("/contacts.csv", content)
        assert csv_dicts("remembering://contacts.csv").total == len(content)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_that_was_replaced_is_opened_anew_where_the_source_outlives_an_execution(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "archive"
    path.write_bytes(pack(NUMBERS))
    source = csv_dicts(f"{pack.__name__[:3]}://contacts.csv::{path}")
    rows = iter(source)
    assert next(rows)["number"] == "00000000"
    (tmp_path / "new").write_bytes(pack(b"name\nEve\n"))
    (tmp_path / "new").replace(path)
    visited: list[Any] = []
    visiting(Job(), lambda: source, visited)
    assert visited == list(source) == [{"name": "Eve"}]
    gc.collect()
    assert len(list(rows)) == COUNT - 1


def read_while_it_shrinks(given: Any, file: Served) -> None:
    for line in lines(given):
        if line.startswith("00000001"):
            file.content = NUMBERS[:70_000]


def test_a_file_that_shrinks_while_it_is_read_is_no_end(web: Web) -> None:
    file = web.serve("numbers.csv", NUMBERS)
    url = web.url_of("numbers.csv")
    with pytest.raises(OSError, match=f"^{url} cannot be read: it ends at byte 70000, and was of "):
        read_while_it_shrinks(url, file)


def test_an_open_file_of_fsspec_that_shrinks_is_no_end_either(web: Web) -> None:
    file = web.serve("numbers.csv", NUMBERS)
    url = web.url_of("numbers.csv")
    with (
        fsspec.open(url, block_size=100_000) as opened,
        pytest.raises(OSError, match=f"^{url} cannot be read: it ends at byte "),
    ):
        read_while_it_shrinks(opened, file)


# What fails


@each_server
def test_a_connection_that_breaks_is_an_error_and_loses_nothing(
    options: dict[str, Any], web: Web, job: Job
) -> None:
    file, visited = web.serve("numbers.csv", NUMBERS), list[int]()
    arrange(file, options)
    url = web.url_of("numbers.csv")

    @step
    def visit(step: Step) -> None:
        for row in step.each(csv_dicts(url)):
            visited.append(int(row["number"]))

    file.cut = 1_500_000
    error = job.execute(visit).error
    assert isinstance(error, OSError)
    assert str(error).startswith(f"{url} cannot be read: ")
    assert "\n" not in str(error)
    file.cut = None
    assert job.execute(visit).error is None
    assert visited == list(range(COUNT))


@pytest.mark.parametrize(
    ("status", "kind", "why"),
    [
        (404, FileNotFoundError, "is not there: 404, "),
        (500, OSError, "cannot be read: 500, "),
        (403, OSError, "cannot be read: 403, "),
    ],
)
def test_what_a_server_answers_is_in_the_error(
    status: int, kind: type[OSError], why: str, web: Web, job: Job
) -> None:
    file = web.serve("contacts.csv", CONTACTS)
    url = web.url_of("contacts.csv")
    visited: list[Any] = []
    visiting(job, lambda: csv_dicts(url), visited)
    file.status = status
    error = visiting(job, lambda: csv_dicts(url), visited).error
    assert type(error) is kind
    assert str(error).startswith(f"{url} {why}")
    file.status = None
    visiting(job, lambda: csv_dicts(url), visited)
    assert [row["name"] for row in visited] == NAMES


def test_no_server_is_no_missing_file() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/contacts.csv"
        with pytest.raises(OSError, match=f"^{url} cannot be read: Cannot connect") as raised:
            list(lines(url))
    assert not isinstance(raised.value, FileNotFoundError)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("contacts.csv.gz", gzip.compress(CONTACTS)[:-10]),
        ("contacts.csv.gz", b"<html>"),
        ("contacts.csv.bz2", bz2.compress(CONTACTS)[:-10]),
        ("contacts.csv.bz2", b"<html>"),
        ("contacts.csv.xz", lzma.compress(CONTACTS)[:-10]),
        ("contacts.csv.xz", b"<html>"),
    ],
    ids=["cut gzip", "no gzip", "cut bzip2", "no bzip2", "cut xz", "no xz"],
)
def test_what_cannot_be_decompressed_is_named(name: str, content: bytes, web: Web) -> None:
    web.serve(name, content)
    with pytest.raises(OSError, match=f"^{web.url_of(name)} cannot be decompressed: "):
        list(lines(web.url_of(name)))


def test_a_missing_file_in_an_archive_is_named_with_it(web: Web) -> None:
    web.serve("contacts.zip", zipped(CONTACTS))
    url = f"zip://others.csv::{web.url_of('contacts.zip')}"
    with pytest.raises(FileNotFoundError, match=f"^{url} is not there: "):
        list(lines(url))
    web.serve("contacts.zip", CONTACTS)
    with pytest.raises(OSError, match=f"^{url} cannot be read: File is not a zip file"):
        list(lines(url))


def test_secrets_in_a_url_are_no_part_of_the_name(web: Web) -> None:
    web.serve("values.jsonl", b"{")
    with pytest.raises(BadRecordError) as raised:
        list(jsonl(web.url_of("values.jsonl").replace("://", "://me:secret@") + "?signature=b0b"))
    assert str(raised.value).startswith(f"{web.url_of('values.jsonl')}".replace("://", "://me@"))
    assert "secret" not in str(raised.value)
    assert "b0b" not in str(raised.value)


def test_secrets_in_a_url_are_not_told_by_what_the_server_says_of_it(web: Web) -> None:
    url, secret = web.url_of("orders.csv"), "b0b"
    with pytest.raises(FileNotFoundError, match=f"^{url} is not there: 404, ") as raised:
        list(lines(f"{url}?signature={secret}"))
    assert secret not in "".join(format_exception(raised.value))


def test_a_url_that_fsspec_does_not_know_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="Protocol not known: gopher"):
        lines("gopher://contacts.csv")


# What fsspec has opened


def test_an_open_file_of_fsspec_has_options_of_its_own(web: Web) -> None:
    file = web.serve("contacts.csv", CONTACTS)
    opened = fsspec.open(web.url_of("contacts.csv"), headers={"Authorization": "token"})
    assert_law(lambda: in_blocks(csv_dicts(opened), 7))
    assert names(opened) == NAMES
    assert {request.headers["Authorization"] for request in file.requests} == {"token"}
    assert csv_dicts(opened).total == len(CONTACTS)


@pytest.mark.parametrize(
    ("pack", "compression"), [(gzip.compress, "gzip"), (zipped, "zip"), (zstd, "zstd")]
)
def test_what_fsspec_decompresses_is_read_on_from_its_beginning(
    pack: Callable[[bytes], bytes], compression: str, web: Web
) -> None:
    web.serve("contacts", pack(CONTACTS))
    opened = fsspec.open(web.url_of("contacts"), compression=compression)
    assert names(opened) == NAMES
    assert_law(lambda: in_blocks(csv_dicts(opened), 7))
    assert csv_dicts(opened).total is None


@pytest.mark.parametrize(
    ("make", "compression"),
    [
        (lambda: gzip.compress(CONTACTS)[:-10], "gzip"),
        (lambda: b"<html>", "gzip"),
        (lambda: lzma.compress(CONTACTS)[:-10], "xz"),
        (lambda: zipped(CONTACTS)[:-10], "zip"),
        (lambda: b"<html>", "zstd"),
        (lambda: zstd(NUMBERS)[:-1000], "zstd"),
        (lambda: zstd(NUMBERS) + zstd(NUMBERS)[:-1], "zstd"),
    ],
    ids=["cut gzip", "no gzip", "cut xz", "cut zip", "no zstd", "cut zstd", "cut frame"],
)
def test_what_fsspec_cannot_decompress_is_named(
    make: Callable[[], bytes], compression: str, web: Web
) -> None:
    web.serve("contacts", make())
    url = web.url_of("contacts")
    with pytest.raises(OSError, match=f"^{url} cannot be decompressed: "):
        list(lines(fsspec.open(url, compression=compression), bad="hand_out"))


def test_the_frames_of_a_zstd_file_are_one_file(web: Web) -> None:
    web.serve("numbers", zstd(b"1\n") + zstd(NUMBERS) + zstd(b"") + zstd(b"2\n"))
    opened = fsspec.open(web.url_of("numbers"), compression="zstd")
    assert len(list(lines(opened))) == 1 + 1 + COUNT + 1


def test_several_files_of_fsspec_are_nested(web: Web) -> None:
    for name in ("a.csv", "b.csv"):
        web.serve(name, CONTACTS)
    files = fsspec.open_files([web.url_of(name) for name in ("a.csv", "b.csv")])
    rows = [(file.path[-5:], row["name"]) for file, row in nested(list(files), csv_dicts)]
    assert rows == [(path, name) for path in ("a.csv", "b.csv") for name in NAMES]


def test_an_open_file_of_fsspec_as_text_is_refused() -> None:
    with pytest.raises(TypeError, match='in binary mode, with "rb"'):
        lines(fsspec.open("memory://contacts.csv", "r"))


def test_a_file_that_fsspec_has_opened_is_left_open(web: Web) -> None:
    web.serve("contacts.csv", CONTACTS)
    with fsspec.open(web.url_of("contacts.csv")) as file:
        assert names(file) == NAMES
        assert_law(lambda: in_blocks(csv_dicts(file), 7))
        assert not file.closed


def test_a_web_page_without_a_length_cannot_be_given_open(web: Web) -> None:
    web.serve("contacts.csv", CONTACTS).length = False
    with (
        fsspec.open(web.url_of("contacts.csv")) as file,
        pytest.raises(TypeError, match="a file that cannot seek cannot be resumed"),
    ):
        lines(file)


# Forks


def in_a_fork(action: Callable[[], object]) -> str:
    """What it returns or raises in a process that is forked, as a work-horse is."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run() -> None:
        try:
            theirs.send(str(action()))
        except Exception as error:
            theirs.send(f"{type(error).__name__}: {error}")

    process = context.Process(target=run)
    process.start()
    try:
        assert ours.poll(30), "it hangs"
        return str(ours.recv())
    finally:
        process.kill()
        process.join()
        ours.close()
        theirs.close()


@pytest.mark.parametrize("form", ["{}", "zip://contacts.csv::{}.zip"])
def test_a_source_that_was_made_and_read_before_a_fork_is_read_after_it(
    form: str, web: Web
) -> None:
    web.serve("contacts.csv", CONTACTS)
    web.serve("contacts.csv.zip", zipped(CONTACTS))
    url = form.format(web.url_of("contacts.csv"))
    for file in (url, fsspec.open(url)):
        source = csv_dicts(file)
        assert len(list(source)) == len(NAMES)
        assert in_a_fork(lambda: [row["name"] for row in source]) == str(NAMES)  # noqa: B023
        assert in_a_fork(lambda: names(file)) == str(NAMES)  # noqa: B023
        assert len(list(source)) == len(NAMES)


def test_what_fsspec_has_opened_before_a_fork_is_refused_after_it(web: Web) -> None:
    """Reading it would wait for ever."""
    web.serve("contacts.csv", CONTACTS)
    url = web.url_of("contacts.csv")
    with fsspec.open(url) as file:
        assert in_a_fork(lambda: names(file)) == (
            f"RuntimeError: {url} was opened before this process was forked: open it in the step"
        )


# In a job


def test_a_job_over_http_is_right_wherever_it_is_cut(web: Web) -> None:
    web.serve("contacts.csv", CONTACTS)
    url, visited = web.url_of("contacts.csv"), list[str]()

    @step
    def visit(step: Step) -> None:
        for row in step.each(csv_dicts(url)):
            if row["name"] not in visited:
                visited.append(row["name"])

    @continuable
    def visit_all() -> None:
        visit()

    def make() -> Rehearsal:
        visited.clear()
        return Rehearsal(visit_all)

    def check(rehearsal: Rehearsal) -> None:
        assert visited == NAMES

    everywhere(make, check)


# Other files that are open


def in_memory(content: bytes) -> IO[bytes]:
    return io.BytesIO(content)


def filled(file: Any, content: bytes) -> Any:
    file.write(content)
    return file


def in_a_temporary_file(content: bytes) -> IO[bytes]:
    file: IO[bytes] = filled(tempfile.TemporaryFile(), content)  # noqa: SIM115  # the test closes it
    return file


def spooled(content: bytes) -> Any:
    return filled(tempfile.SpooledTemporaryFile(max_size=10), content)


def spooled_in_memory(content: bytes) -> Any:
    return filled(tempfile.SpooledTemporaryFile(max_size=1000), content)


def mapped(content: bytes) -> Any:
    return filled(mmap.mmap(-1, len(content)), content)


def in_an_archive(content: bytes) -> IO[bytes]:
    return zipfile.ZipFile(io.BytesIO(zipped(content))).open("contacts.csv")


def uploaded(content: bytes) -> Any:
    return import_module("django.core.files.uploadedfile").SimpleUploadedFile("contacts", content)


@pytest.mark.parametrize(
    "open_one",
    [in_memory, in_a_temporary_file, spooled, spooled_in_memory, mapped, in_an_archive, uploaded],
)
def test_what_is_like_a_file_is_a_file(
    open_one: Callable[[bytes], Any], django: Any, web: Web
) -> None:
    with open_one(CONTACTS) as file:
        assert names(file) == NAMES
        assert_law(lambda: in_blocks(csv_dicts(file), 7))
        assert csv_dicts(file).total == (None if open_one is in_an_archive else len(CONTACTS))


def test_a_file_without_a_name_is_named_by_what_it_is() -> None:
    class Member(io.BytesIO):
        name = ""  # so tarfile has it, where the archive is packed

    with pytest.raises(BadRecordError, match=r"^a Member, line 1: "):
        list(jsonl(Member(b"{")))


@pytest.mark.parametrize("url", ["memory://{}", "file://{}", "zip://contacts.csv::{}.zip"])
def test_the_law_of_other_urls(url: str, tmp_path: Path) -> None:
    path = tmp_path / "contacts of ours.csv"
    path.write_bytes(CONTACTS)
    path.with_suffix(".csv.zip").write_bytes(zipped(CONTACTS))
    fsspec.filesystem("memory").pipe(str(path), CONTACTS)
    assert_law(lambda: in_blocks(csv_dicts(url.format(path)), 7))
    assert csv_dicts(url.format(path)).total == len(CONTACTS)


def test_colons_and_spaces_in_a_path_mean_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a b::c?d.csv"
    path.write_bytes(CONTACTS)
    assert names(path) == names(str(path)) == NAMES


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (gzip.compress(CONTACTS), r"by gzip: give what gzip.open makes of it, or a path that ends"),
        (bz2.compress(CONTACTS), r"by bzip2: give what bz2.open makes"),
        (lzma.compress(CONTACTS), r"by xz: give what lzma.open makes"),
        (b"\x28\xb5\x2f\xfd\x24", r"by zstd: give fsspec.open\(..., compression=\"zstd\"\)"),
        (zipped(CONTACTS), r"zip archive: name a file in it, as in zip://orders.csv::orders.zip"),
    ],
    ids=["gzip", "bzip2", "xz", "zstd", "zip"],
)
def test_what_is_packed_and_not_said_to_be_is_refused_with_advice(
    content: bytes, advice: str, tmp_path: Path
) -> None:
    path = tmp_path / "contacts"
    path.write_bytes(content)
    for file in (path, f"file://{path}", io.BytesIO(content)):
        with pytest.raises(ValueError, match=f" is .*{advice}"):
            list(csv_rows(file, bad="hand_out"))


def test_a_pipe_is_refused_by_its_path_or_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TypeError, match=r"that cannot seek cannot be resumed, found '.*pipe"):
        list(lines(tmp_path / "pipe"))
    read, write = os.pipe()
    with (
        os.fdopen(write, "wb"),
        os.fdopen(read, "rb") as file,
        pytest.raises(TypeError, match="a file that cannot seek cannot be resumed"),
    ):
        lines(file)


def test_a_folder_and_a_missing_file_are_errors_that_name_it(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        list(lines(tmp_path))
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "missing")):
        list(lines(tmp_path / "missing"))
