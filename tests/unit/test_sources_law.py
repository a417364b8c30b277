"""The law of every source, over sequences, iterables and files."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rq_steps.sources import (
    BadRecordError,
    Source,
    csv_dicts,
    csv_parse,
    csv_rows,
    jsonl,
    line_file,
    lines,
    source_of,
)
from tests.unit.law import BOUNDED, Countdown, again, assert_law, in_blocks


@BOUNDED
@given(st.lists(st.integers(), max_size=8))
def test_the_law_of_sequences_and_iterables_and_of_somebodys_own(items: list[int]) -> None:
    def generated() -> Iterator[int]:
        yield from items

    assert_law(lambda: source_of(items))
    assert_law(lambda: source_of(range(len(items))))
    assert_law(lambda: source_of(iter(items)))
    assert_law(lambda: source_of(generated()))
    assert_law(lambda: Countdown(len(items)))


ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-be",
    "latin-1",
    "cp1252",
    "shift_jis",
    "gb18030",
    "utf-7",
]
# Python's str.splitlines would take some of them for line ends, and "ഊ" has both bytes of a "\n".
PIECES = [
    "\u0a41\u4100",
    *"aä漢😀ഊ਍\x0b\x0c\x1c\x85\u2028 1;\\",
    '"',
    '""',
    ",",
    "\n",
    "\r",
    "\r\n",
    '"a\nb"',
]

texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
encodings = st.sampled_from(ENCODINGS)
block_sizes = st.sampled_from([1, 2, 3, 5, 8, 100])


def encoded(text: str, encoding: str) -> bytes:
    return text.encode(encoding, "replace")


@BOUNDED
@given(texts, encodings, block_sizes, st.booleans())
def test_the_law_of_lines(text: str, encoding: str, size: int, keepends: bool) -> None:
    data = encoded(text, encoding)

    def source() -> Source[str]:
        file = io.BytesIO(data)
        return in_blocks(lines(file, encoding=encoding, keepends=keepends), size)

    # As if all lines were long: they are given one at a time then.
    with patch.object(line_file, "_LONG", 0):
        assert_law(source)
    assert_law(source)


@BOUNDED
@given(texts, encodings, st.booleans())
def test_lines_are_those_of_an_open_text_file(text: str, encoding: str, keepends: bool) -> None:
    data = encoded(text, encoding)
    expected = list(io.TextIOWrapper(io.BytesIO(data), encoding))
    if not keepends:
        expected = [line.removesuffix("\n") for line in expected]
    assert list(lines(io.BytesIO(data), encoding=encoding, keepends=keepends)) == expected


values = st.sampled_from(["1", '"ä"', '{"a": [1, 2]}', "", "  ", "\t", "null", "\n", "{", "nul"])


@BOUNDED
@given(st.lists(values, max_size=6), st.sampled_from(["\n", "\r\n"]), encodings, block_sizes)
def test_the_law_of_json_lines(texts: list[str], end: str, encoding: str, size: int) -> None:
    data = encoded(end.join(texts), encoding)

    def source() -> Source[Any]:
        return in_blocks(jsonl(io.BytesIO(data), encoding=encoding, bad="hand_out"), size)

    assert_law(source)


DIALECTS: list[dict[str, Any]] = [
    {},
    {"delimiter": ";"},
    {"dialect": "excel-tab"},
    {"dialect": "unix"},
    {"doublequote": False, "escapechar": "\\"},
    {"quoting": csv.QUOTE_NONE, "escapechar": "\\"},
    {"quoting": csv.QUOTE_NONNUMERIC},
    {"quotechar": "a"},
    {"skipinitialspace": True},
    {"strict": True},
]


@BOUNDED
@given(texts, encodings, block_sizes, st.sampled_from(DIALECTS), st.booleans(), st.integers(1, 3))
@example("a,b\n1,2\n", "utf-8", 1, {}, True, 1)
@example("\na\n\n", "utf-8", 1, {"quoting": csv.QUOTE_NONNUMERIC}, False, 128)
@example('a,"b\n', "utf-16", 2, {"strict": True}, False, 128)
def test_the_law_of_csv_rows(
    text: str, encoding: str, size: int, dialect: dict[str, Any], header: bool, at_once: int
) -> None:
    data = encoded(text, encoding)

    def source() -> Source[Any]:
        rows = csv_rows(
            io.BytesIO(data), encoding=encoding, header=header, bad="hand_out", **dialect
        )
        return in_blocks(rows, size)

    with (
        patch.multiple(csv_parse, _AT_ONCE=at_once, _PAGE=2 * at_once),
        suppress(BadRecordError),  # of the header: there is no going on
    ):
        assert_law(source)


@BOUNDED
@given(texts, encodings, block_sizes, st.sampled_from(DIALECTS))
def test_csv_rows_are_those_of_the_csv_module(
    text: str, encoding: str, size: int, dialect: dict[str, Any]
) -> None:
    data = encoded(text, encoding)
    rows = in_blocks(csv_rows(io.BytesIO(data), encoding=encoding, **dialect), size)
    expected = csv.reader(io.TextIOWrapper(io.BytesIO(data), encoding, newline=""), **dialect)
    found = []
    with suppress(BadRecordError):
        for row in rows:
            assert row == next(row for row in expected if row)
            found.append(row)
        assert not any(expected)


@BOUNDED
@given(texts, block_sizes, st.sampled_from([None, ["a", "b"], []]), st.sampled_from([None, "more"]))
def test_csv_dicts_are_those_of_the_csv_module(
    text: str, size: int, names: list[str] | None, restkey: str | None
) -> None:
    data = text.encode()

    def source() -> Source[Any]:
        return in_blocks(csv_dicts(io.BytesIO(data), names, restkey, "none"), size)

    with suppress(BadRecordError):
        assert_law(source)
        found = list(source())
        text_file = io.TextIOWrapper(io.BytesIO(data.lstrip(b"\r\n")), "utf-8", newline="")
        assert found == list(csv.DictReader(text_file, names, restkey, "none"))


SIGNS_OF_PACKED_FILES = (b"PK", b"BZh", b"\x1f\x8b", b"\xfd7z", b"\x28\xb5")
meaningless = st.binary(max_size=40).filter(lambda data: not data.startswith(SIGNS_OF_PACKED_FILES))


@BOUNDED
@given(meaningless, encodings, block_sizes)
def test_the_law_holds_over_bytes_that_mean_nothing(data: bytes, encoding: str, size: int) -> None:
    file = io.BytesIO(data)
    for source in (lines, jsonl, csv_rows):
        assert_law(lambda: in_blocks(source(file, encoding=encoding, bad="hand_out"), size))  # noqa: B023


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_the_law_of_a_compressed_file(suffix: str, pack: Any, tmp_path: Path) -> None:
    path = tmp_path / f"numbers.csv{suffix}"
    path.write_bytes(pack(b"".join(b"%d,ab\n" % number for number in range(30))))
    assert_law(lambda: in_blocks(csv_rows(path), 7))
    assert csv_rows(path).total is None


def test_the_law_of_what_fsspec_opens(tmp_path: Path) -> None:
    path = tmp_path / "numbers.zip"
    data = b"".join(b"%d,ab\n" % number for number in range(30))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/it.csv", data)
        archive.writestr("in/it.csv.gz", gzip.compress(data))
    for url in (f"zip://in/it.csv::file://{path}", f"zip://in/it.csv.gz::{path}"):
        assert_law(lambda: in_blocks(csv_rows(url), 7))  # noqa: B023
        assert len(list(csv_rows(url))) == 30


def test_the_law_of_pages_of_many_rows_and_lines() -> None:
    """More than one page, with real blocks: not every cursor, that would be too many."""
    plain = "".join(f"{number},ab\n" for number in range(1000))
    data = (plain + plain.replace("ab", '"a\nb"') + plain).encode()
    for make in (lambda: csv_rows(io.BytesIO(data)), lambda: lines(io.BytesIO(data))):
        pairs = list(make().open(None))
        for at in (0, 127, 128, 255, 256, 257, 511, 999, 1000, 1001, 1500, 2000, 2999):
            _, cursor = pairs[at]
            assert list(make().open(again(cursor))) == pairs[at + 1 :]
