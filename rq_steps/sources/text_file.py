"""What the sources over lines and over CSV have in common: place, identity, bad records."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Literal, NamedTuple, TypeAlias, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.sources.blocks import Block, Blocks
from rq_steps.sources.encodings import LONGEST_MARK, Encoding
from rq_steps.sources.files import File, Opener, read
from rq_steps.sources.fingerprint import Fingerprint
from rq_steps.sources.page import ListPage, Page
from rq_steps.sources.protocol import Compared, PagedSource, unfit_cursor
from rq_steps.values import JSON

Item = TypeVar("Item", covariant=True)
Bad: TypeAlias = Literal["raise", "hand_out"]


@dataclass(frozen=True)
class BadRecord:
    """A record that could not be read. It stands in the place of the item."""

    line: int
    """Where it begins; the first line of the file is 1."""
    record: int
    """Its number; the first record of the file is 1, and a header is none."""
    error: str
    """What is wrong with it."""
    raw: bytes
    """As it is in the file."""


class BadRecordError(ValueError):
    """A record could not be read, and was not to be handed out."""

    def __init__(self, name: str, bad: BadRecord) -> None:
        super().__init__(f"{name}, line {bad.line}: {bad.error}")
        self.bad = bad


class Place(NamedTuple):
    """Where in the file a record begins."""

    offset: int
    line: int
    record: int
    before: str
    """The checksum of the fingerprint."""


class Head(NamedTuple):
    """What a file has before its records."""

    end: Place
    """Where the first record begins."""
    columns: list[str] | None = None
    """Of a CSV, where they are known."""


class TextPage(Page[Item]):
    """Records in a row, and where they are.

    Args:
        record: the number of the first one.
        lines: where each begins, and behind them where the last one ends.
        blocks: of these lines.
    """

    bad = False
    """Is one of the items a `BadRecord`?"""

    def __init__(self, record: int, lines: Sequence[int], blocks: Sequence[Block]) -> None:
        self.record = record
        self.lines = lines
        self._blocks = blocks

    @property
    def size(self) -> int:
        """How many they are, once the loop is behind them."""
        return len(self.items)

    def cursor(self, done: int) -> dict[str, JSON]:
        return self.place(done)._asdict()

    def place(self, done: int) -> Place:
        """The place behind the first so many records."""
        line = self.lines[done]
        # Where a line ends one block and the next one begins with the following, it is the latter.
        block = next(each for each in reversed(self._blocks) if each.line <= line)
        offset, before = block.place_of(line)
        return Place(offset, line, self.record + done, before.checksum)

    def of(self, items: Sequence[Any]) -> RecordsPage[Any]:
        """The same with other items in the place of the first ones."""
        lines = self.lines[: len(items) + 1]
        return RecordsPage(items, self.record, lines, self._blocks, bad=self.bad)


class RecordsPage(TextPage[Item], ListPage[Item]):
    """The same, where they have been read."""

    def __init__(
        self,
        items: Sequence[Item],
        record: int,
        lines: Sequence[int],
        blocks: Sequence[Block],
        *,
        bad: bool,
    ) -> None:
        super().__init__(record, lines, blocks)
        self.items = items
        self.bad = bad


class TextFile(Compared, PagedSource[Item]):
    """Records in a text file.

    A cursor is the place of a record: byte offset, line, number, and a checksum of bytes before it.
    The contract is the file's size, where it is that of its content.
    """

    block_size = 64 * 1024
    """Bytes that are read at once: few enough to stay in the cache of a processor."""

    def __init__(self, file: File, encoding: str, bad: Bad) -> None:
        if bad not in ("raise", "hand_out"):
            raise ValueError(f"bad must be 'raise' or 'hand_out', found {bad!r}")
        if not isinstance(encoding, str):
            raise TypeError(f"encoding must be a name, such as 'utf-8', found {encoding!r}")
        Encoding(encoding, b"")
        self._opener = Opener(file)
        self._encoding = encoding
        self._hands_out = bad == "hand_out"

    @property
    def total(self) -> int | None:
        return None if self._opener.is_compressed else self._opener.size()

    @property
    def unit(self) -> str:
        return "bytes"

    @property
    def contract(self) -> dict[str, JSON]:
        """With it an execution begins."""
        self._opener.forget()
        return {"size": self.total}

    def compare(self, found: Any, kept: Any) -> None:
        self._refuse_shrunk(kept["size"], found["size"])

    def __iter__(self) -> Iterator[Item]:
        self._opener.forget()
        return super().__iter__()

    def pages(self, cursor: Any) -> Iterator[TextPage[Item]]:
        place = None if cursor is None else _place(cursor)
        with self._opener.opened() as file:
            least_size, encoding = self._opener.least_size(file), self._encoding_of(file)
            head = self._head(file, encoding)
            if place is None or _is_within(place, head):
                place = head.end
            blocks = self._from(file, place, encoding, self.block_size, least_size)
            for page in self._records(blocks, place.record, head):
                if page.bad and not self._hands_out:
                    yield from self._up_to_the_bad_one(page)
                else:
                    yield page

    @abstractmethod
    def _records(self, blocks: Blocks, record: int, head: Head) -> Iterator[TextPage[Item]]:
        """The records in these blocks; the first has this number."""

    def _head(self, file: IO[bytes], encoding: Encoding) -> Head:
        return Head(_beginning(file, encoding))

    def _encoding_of(self, file: IO[bytes]) -> Encoding:
        file.seek(0)
        return Encoding(self._encoding, read(file, LONGEST_MARK))

    def _from(
        self,
        file: IO[bytes],
        place: Place,
        encoding: Encoding,
        block_size: int,
        least_size: int | None = None,
    ) -> Blocks:
        """What the file has from there on, if that is still the same place."""
        offset, line = place.offset, place.line
        before = Fingerprint.read(file, offset)
        self._refuse_shrunk(offset, file.tell())
        self._refuse_other(before.checksum, place)
        end = b""
        if offset > encoding.mark_size and not before.tail.endswith(encoding.lf):
            end = self._end_of_the_last_line(file, place, before.tail, encoding)
        begin = offset + len(end)
        file.seek(begin)
        before = before.behind(end, len(end))
        at_end = partial(self._refuse_shrunk, least_size)
        return Blocks(file, begin, line, before, encoding, block_size, at_end)

    def _end_of_the_last_line(
        self, file: IO[bytes], place: Place, tail: bytes, encoding: Encoding
    ) -> bytes:
        """The line before the place was the last one, and had no end, or half of one."""
        following = read(file, 2 * encoding.width)
        if tail.endswith(encoding.cr):
            return encoding.lf if following.startswith(encoding.lf) else b""
        end = encoding.starting_line_end(following)
        if following and not end:
            raise InvalidStepError(
                f"{self._opener.name} has changed: line {place.line - 1}, the last one when it was "
                "read, goes on now, and its record is done"
            )
        return end

    def _up_to_the_bad_one(self, page: TextPage[Item]) -> Iterator[TextPage[Item]]:
        at, bad = next(
            (at, item) for at, item in enumerate(page.items) if isinstance(item, BadRecord)
        )
        yield page.of(page.items[:at])
        raise BadRecordError(self._opener.name, bad)

    def _refuse_shrunk(self, expected: int | None, found: int | None) -> None:
        if expected is not None and found is not None and found < expected:
            raise InvalidStepError(
                f"{self._opener.name} has shrunk: found {found} bytes, expected {expected} or "
                "more: put it back as it was, and requeue the job"
            )

    def _refuse_other(self, found: str, place: Place) -> None:
        if found != place.before:
            raise InvalidStepError(
                f"{self._opener.name} has other content before byte {place.offset}, line "
                f"{place.line}: found checksum {found}, expected {place.before}: put it back as it "
                "was, and requeue the job"
            )


def _beginning(file: IO[bytes], encoding: Encoding) -> Place:
    before = Fingerprint.read(file, encoding.mark_size)
    return Place(encoding.mark_size, 1, 1, before.checksum)


def _is_within(place: Place, head: Head) -> bool:
    """Was there no more of the head then? It had no records, or the file is another one."""
    return place.record == 1 and place.offset < head.end.offset


def _place(cursor: Any) -> Place:
    try:
        place = Place(**cursor)
        if min(place[:3]) < 0 or not isinstance(place.before, str):
            raise TypeError
    except TypeError:
        raise unfit_cursor("a file", Place._fields, cursor) from None
    return place
