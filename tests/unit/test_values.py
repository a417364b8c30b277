"""Which values can be carried, and how: `rq_steps.values`."""

from __future__ import annotations

import io
import json
import math
import pickle
import struct
import subprocess
import sys
import threading
import traceback
import types
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rq_steps import values
from rq_steps.errors import Interrupt, UnserializableError
from rq_steps.values import CARRIERS, JSON, decode, encode, plain

BERLIN = ZoneInfo("Europe/Berlin")
NAIVE = datetime.fromisoformat("2024-02-29T01:02:03.000004")
WINTER = timezone(timedelta(hours=1), "WINTER")
SURROGATES = "\ud83d\ude00"


def through_json(value: object, *, pickling: bool = False) -> object:
    """What comes back when `value` has been saved and read again."""
    return decode(json.loads(json.dumps(encode(value, pickling=pickling))), pickling=pickling)


def same(left: Any, right: Any) -> bool:
    """Are they equal in every respect that a user could see, types and order included?"""
    if type(left) is not type(right):
        return False
    return _SAME.get(type(left), lambda a, b: bool(a == b))(left, right)


def _same_items(left: Any, right: Any) -> bool:
    return len(left) == len(right) and all(map(same, left, right))


def _same_dicts(left: Any, right: Any) -> bool:
    return _same_items(list(left.items()), list(right.items()))


def _same_sets(left: Any, right: Any) -> bool:
    rest = list(right)
    for item in left:
        twin = next((index for index, other in enumerate(rest) if same(item, other)), None)
        if twin is None:
            return False
        del rest[twin]
    return not rest


def _same_moments(left: Any, right: Any) -> bool:
    naive = left.replace(tzinfo=None) == right.replace(tzinfo=None)
    return naive and left.fold == right.fold and same(left.tzinfo, right.tzinfo)


_SAME: dict[type, Callable[[Any, Any], bool]] = {
    list: _same_items,
    tuple: _same_items,
    dict: _same_dicts,
    set: _same_sets,
    frozenset: _same_sets,
    float: lambda a, b: repr(a) == repr(b),
    complex: lambda a, b: same(a.real, b.real) and same(a.imag, b.imag),
    Decimal: lambda a, b: bool(a.as_tuple() == b.as_tuple()),
    datetime: _same_moments,
    time: _same_moments,
    timezone: lambda a, b: repr(a) == repr(b),
    ZoneInfo: lambda a, b: bool(a.key == b.key),
}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        (Decimal("1.0"), Decimal("1.00")),
        (Decimal("NaN"), Decimal("sNaN")),
        ([1], (1,)),
        ({1}, frozenset({1})),
        ({1}, {True}),
        ({1: 2, 3: 4}, {3: 4, 1: 2}),
        (timezone.utc, timezone(timedelta(0), "UTC")),
        (time(1, tzinfo=BERLIN), time(1, tzinfo=ZoneInfo("Europe/Paris"))),
        (time(1), time(1, fold=1)),
    ],
)
def test_the_helper_same_sees_the_difference(left: object, right: object) -> None:
    assert not same([left], [right])
    assert same([left], [left])
    assert same([right], [right])


# --- every value that is carried -----------------------------------------------------------------

offsets = st.integers(-1439, 1439).map(lambda minutes: timedelta(minutes=minutes)) | st.timedeltas(
    min_value=timedelta(microseconds=1, hours=-24), max_value=timedelta(microseconds=-1, hours=24)
)
texts = st.text() | st.text(st.characters()) | st.text(st.sampled_from("$a\\é\ud83d\ude00"))
zones = (
    st.just(timezone.utc)
    | st.builds(timezone, offsets)
    | st.builds(timezone, offsets, texts)
    | st.timezones()
)


def _placed(moment: Any, zone: tzinfo | None, fold: int) -> Any:
    return moment.replace(tzinfo=zone, fold=fold)


moments = st.builds(
    _placed, st.datetimes() | st.times(), st.none() | zones, st.sampled_from([0, 0, 1])
)
huge_integers = st.integers(10**639, 10**641) | st.integers(-(10**641), -(10**639))
hashable_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    huge_integers,
    st.floats(),
    texts,
    st.binary(),
    st.complex_numbers(),
    st.decimals().filter(lambda number: not number.is_snan()),
    st.sampled_from([Decimal("-0"), Decimal("NaN7"), Decimal("1E+9"), Decimal("1.500")]),
    st.uuids(),
    st.dates(),
    moments,
    st.timedeltas(),
    zones,
)
hashables = st.recursive(
    hashable_scalars,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
scalars = st.one_of(
    hashable_scalars,
    st.binary().map(bytearray),
    st.sampled_from([Decimal("sNaN"), Decimal("-sNaN12")]),
)
tags = st.sampled_from([carrier.tag for carrier in CARRIERS] + ["$dict", "$pickle", "$", "$new"])
carried = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(hashables, max_size=4),
        st.frozensets(hashables, max_size=4),
        st.dictionaries(texts, inner, max_size=4),
        st.dictionaries(tags, inner, min_size=1, max_size=2),
        st.dictionaries(hashables, inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(carried)
def test_a_restored_value_equals_the_saved_one_type_included(value: object) -> None:
    assert same(through_json(value), value)


@settings(deadline=None)
@given(carried)
def test_a_value_that_json_can_carry_is_never_pickled(value: object) -> None:
    assert encode(value, pickling=True) == encode(value, pickling=False)


@settings(deadline=None)
@given(carried)
def test_what_is_saved_is_strict_unicode_json(value: object) -> None:
    text = json.dumps(encode(value, pickling=False), allow_nan=False, ensure_ascii=False)
    assert json.loads(text.encode("utf-8")) == encode(value, pickling=False)


@pytest.mark.parametrize("value", [None, True, 0, -7, 1.5, -0.0, "", "é", [1, [2]], {"a": {}}])
def test_what_json_holds_is_saved_as_it_is(value: object) -> None:
    assert same(encode(value, pickling=True), value)


STORED: list[tuple[object, JSON]] = [
    (10**640, {"$int": hex(10**640)}),
    (-math.inf, {"$float": "-inf"}),
    ("a\ud83d", {"$str": {"$bytes": "YVx1ZDgzZA=="}}),
    (1 - 2j, {"$complex": [1.0, -2.0]}),
    (Decimal("-1.50"), {"$decimal": "-1.50"}),
    (b"ab", {"$bytes": "YWI="}),
    (bytearray(b"ab"), {"$bytearray": {"$bytes": "YWI="}}),
    ((1, (2,)), {"$tuple": [1, {"$tuple": [2]}]}),
    ({2, 1}, {"$set": [1, 2]}),
    (frozenset({"b", "a"}), {"$frozenset": ["a", "b"]}),
    ({1: "a", (2,): "b"}, {"$dict": [[1, "a"], [{"$tuple": [2]}, "b"]]}),
    ({"$set": 1}, {"$dict": [["$set", 1]]}),
    ({"$set": 1, "$inc": 2}, {"$set": 1, "$inc": 2}),
    (date(2024, 2, 29), {"$date": "2024-02-29"}),
    (NAIVE, {"$datetime": "2024-02-29T01:02:03.000004"}),
    (datetime(2024, 2, 29, tzinfo=timezone.utc), {"$datetime": "2024-02-29T00:00:00+00:00"}),
    (
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN),
        {
            "$datetime": {
                "at": "2024-10-27T02:30:00",
                "tzinfo": {"$zoneinfo": "Europe/Berlin"},
                "fold": 1,
            }
        },
    ),
    (time(1, 2, 3), {"$time": "01:02:03"}),
    (
        datetime(2024, 2, 29, tzinfo=WINTER),
        {
            "$datetime": {
                "at": "2024-02-29T00:00:00",
                "tzinfo": {"$timezone": [{"$timedelta": [0, 3600, 0]}, "WINTER"]},
                "fold": 0,
            }
        },
    ),
    (
        time(1, tzinfo=timezone(timedelta(microseconds=7))),
        {
            "$time": {
                "at": "01:00:00",
                "tzinfo": {"$timezone": [{"$timedelta": [0, 0, 7]}]},
                "fold": 0,
            }
        },
    ),
    (timedelta(days=-1, microseconds=5), {"$timedelta": [-1, 0, 5]}),
    (timezone.utc, {"$timezone": [{"$timedelta": [0, 0, 0]}]}),
    (WINTER, {"$timezone": [{"$timedelta": [0, 3600, 0]}, "WINTER"]}),
    (BERLIN, {"$zoneinfo": "Europe/Berlin"}),
    (UUID(int=1), {"$uuid": "00000000-0000-0000-0000-000000000001"}),
]


@pytest.mark.parametrize(("value", "stored"), STORED)
def test_the_stored_form_stays_what_running_jobs_have_saved(value: object, stored: JSON) -> None:
    assert encode(value, pickling=False) == stored
    assert same(decode(stored, pickling=False), value)


def test_every_carrier_has_its_stored_form_pinned() -> None:
    pinned = {tag for _, stored in STORED if isinstance(stored, dict) for tag in stored}
    assert {carrier.tag for carrier in CARRIERS} <= pinned


@pytest.fixture
def fewest_digits() -> Iterator[None]:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    yield
    sys.set_int_max_str_digits(before)


@pytest.mark.usefixtures("fewest_digits")
@pytest.mark.parametrize("size", [10**640 - 1, 10**640, 16**9000], ids=int.bit_length)
def test_an_int_of_any_length_survives_the_strictest_limit_on_digits(size: int) -> None:
    assert through_json(size) == size
    assert through_json(-size) == -size


@pytest.mark.parametrize("text", ["\ud800", SURROGATES, "\\ud83d", f"é\\{SURROGATES}\n"])
def test_lone_surrogates_survive_and_are_not_joined(text: str) -> None:
    assert through_json(text) == text
    assert through_json({text: text}) == {text: text}


@given(st.lists(st.integers() | st.text(), unique=True))
def test_equal_sets_are_saved_equally(items: list[int | str]) -> None:
    backwards = set(reversed(items))  # noqa: C414 - the order of insertion is what is tested
    assert encode(set(items), pickling=False) == encode(backwards, pickling=False)


def test_sets_that_iterate_differently_are_saved_equally() -> None:
    one, other = {0, 8}, {8, 0}
    assert list(one) != list(other), "these two no longer show anything"
    assert encode(one, pickling=False) == encode(other, pickling=False)


def test_a_later_change_of_the_value_does_not_change_what_was_saved() -> None:
    inner: list[Any] = [1]
    value: dict[str, Any] = {"list": inner, "tuple": (inner,), "bytes": bytearray(b"a")}
    encoded = encode(value, pickling=False)
    before = json.dumps(encoded)
    inner.append(2)
    value["bytes"].extend(b"b")
    value["new"] = 3
    assert json.dumps(encoded) == before


class Meddler:
    """Adds to the dict that holds it whenever it is pickled or shown."""

    def __init__(self) -> None:
        self.holder: dict[object, object] = {}

    def __reduce__(self) -> tuple[type[Meddler], tuple[()]]:
        self.holder[len(self.holder)] = "added"
        return Meddler, ()

    def __repr__(self) -> str:
        self.holder[len(self.holder)] = "added"
        return "Meddler"


@pytest.mark.parametrize("key", ["name", 0])
@pytest.mark.parametrize("carry", [partial(encode, pickling=True), plain])
def test_a_dict_that_changes_meanwhile_is_taken_as_it_was(
    carry: Callable[[object], Any], key: object
) -> None:
    meddler = Meddler()
    meddler.holder[key] = meddler
    taken = carry(meddler.holder)
    assert len(taken) == 1
    assert "added" not in json.dumps(taken)
    assert "added" in meddler.holder.values()


def test_a_restored_value_shares_nothing_with_the_saved_one() -> None:
    data: JSON = {"a": [1]}
    restored = decode(data, pickling=False)
    assert isinstance(restored, dict)
    restored["a"].append(2)
    assert data == {"a": [1]}


# --- exact types, and pickle ---------------------------------------------------------------------


class Color(IntEnum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: object


class Name(str):
    __slots__ = ()


class Moment(datetime):
    pass


class Plain:
    """Compared by what it holds."""

    def __init__(self, held: object) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return 1


SUBCLASSES = [
    Color.RED,
    Point(1, 2),
    Name("a"),
    Moment(2024, 1, 1, tzinfo=timezone.utc),
    OrderedDict(a=1),
    defaultdict(list, a=[1]),
    Counter("aab"),
]


@pytest.mark.parametrize("value", SUBCLASSES, ids=repr)
def test_a_subclass_is_pickled_and_not_taken_for_its_base(value: object) -> None:
    assert same(through_json(value, pickling=True), value)


@pytest.mark.parametrize("value", SUBCLASSES, ids=repr)
def test_a_subclass_is_refused_where_nothing_may_be_pickled(value: object) -> None:
    with pytest.raises(UnserializableError, match=f"{type(value).__qualname__} and is nothing"):
        encode(value, pickling=False)


def test_a_dict_whose_key_is_a_subclass_of_str_keeps_it() -> None:
    restored = through_json({Name("a"): 1}, pickling=True)
    assert isinstance(restored, dict)
    assert same(list(restored), [Name("a")])


def test_only_the_parts_that_json_cannot_hold_are_pickled() -> None:
    encoded: Any = encode({"rows": (1, Plain("a"))}, pickling=True)
    row, pickled = encoded["rows"]["$tuple"]
    assert row == 1
    assert list(pickled) == ["$pickle"]
    assert decode(encoded, pickling=True) == {"rows": (1, Plain("a"))}


def test_a_function_without_a_name_is_carried_by_cloudpickle() -> None:
    restored = through_json([lambda number: number + 1], pickling=True)
    assert isinstance(restored, list)
    assert restored[0](1) == 2


def test_an_instance_of_a_class_of_a_function_is_read_in_another_process() -> None:
    """As a named tuple of a notebook is: cloudpickle before 2.2.1 loses what the class is of."""

    class Row(NamedTuple):
        number: int

    encoded = json.dumps(encode(Row(1), pickling=True))
    code = "from rq_steps.values import decode; import json, sys; "
    code += "print(decode(json.loads(sys.argv[1]), pickling=True))"
    read = subprocess.run([sys.executable, "-c", code, encoded], capture_output=True, text=True)
    assert read.stdout == "Row(number=1)\n", read.stderr


class PlainZone(tzinfo):
    """A zone of the user's own."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=2)

    def dst(self, moment: datetime | None) -> None:
        return None

    def tzname(self, moment: datetime | None) -> str:
        return "plain"

    def __eq__(self, other: object) -> bool:
        return type(other) is PlainZone

    def __hash__(self) -> int:
        return 2


def test_a_zone_of_the_users_own_is_the_only_part_of_a_datetime_to_be_pickled() -> None:
    moment = datetime(2024, 1, 1, tzinfo=PlainZone())
    encoded: Any = encode(moment, pickling=True)
    assert list(encoded["$datetime"]["tzinfo"]) == ["$pickle"]
    assert same(decode(encoded, pickling=True), moment)
    with pytest.raises(UnserializableError, match=r"^value\['tzinfo'\] is of type .*PlainZone"):
        encode(moment, pickling=False)


# One zone without transitions: its counts, its offset, its name, and two flags.
ZONE_FILE = (
    b"TZif" + bytes(16) + struct.pack(">6l", 1, 1, 0, 0, 1, 4) + bytes(6) + b"UTC\0" + bytes(2)
)


@pytest.mark.parametrize("pickling", [True, False])
def test_a_zone_read_from_a_file_is_refused_since_its_key_means_another(pickling: bool) -> None:
    zone = ZoneInfo.from_file(io.BytesIO(ZONE_FILE), key="Europe/Berlin")
    with pytest.raises(UnserializableError, match="ZoneInfo") as raised:
        encode([time(1, tzinfo=zone)], pickling=pickling)
    assert isinstance(raised.value.__cause__, pickle.PicklingError)


PICKLE_CALLS: list[str] = []


def _note_load() -> Witness:
    PICKLE_CALLS.append("load")
    return Witness()


class Witness:
    """Notes that it was pickled or unpickled."""

    def __reduce__(self) -> tuple[Callable[[], Witness], tuple[()]]:
        PICKLE_CALLS.append("dump")
        return _note_load, ()


@pytest.fixture
def pickle_calls() -> list[str]:
    PICKLE_CALLS.clear()
    return PICKLE_CALLS


def test_a_pickled_value_is_loaded_once_to_prove_that_it_can_be(pickle_calls: list[str]) -> None:
    encode([Witness()], pickling=True)
    assert pickle_calls == ["dump", "load"]


@pytest.mark.parametrize("wrap", [list, tuple, frozenset, lambda one: {one[0]: 1}])
def test_without_pickle_nothing_is_pickled_or_unpickled(
    wrap: Callable[[list[object]], object], pickle_calls: list[str]
) -> None:
    encoded = encode(wrap([Witness()]), pickling=True)
    pickle_calls.clear()
    with pytest.raises(UnserializableError):
        encode(wrap([Witness()]), pickling=False)
    with pytest.raises(UnserializableError, match=r"^a saved value is pickled, and this job's"):
        decode(encoded, pickling=False)
    assert pickle_calls == []


def test_cloudpickle_is_not_imported_until_something_is_pickled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    assert not hasattr(values, "cloudpickle")
    assert same(decode(encode((1, b"a"), pickling=True), pickling=True), (1, b"a"))
    with pytest.raises(UnserializableError, match="cloudpickle"):
        encode(Plain(1), pickling=True)


# --- refusals ------------------------------------------------------------------------------------


class Unpicklable:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> str:
        raise self.error


class UserError(Exception):
    def __str__(self) -> str:
        raise ValueError("not even a message")


@pytest.mark.parametrize(
    "error",
    [
        TypeError("no"),
        pickle.PicklingError("no"),
        AttributeError("two\nlines"),
        RecursionError(),
        UserError(),
    ],
    ids=repr,
)
def test_a_value_whose_pickling_fails_is_refused_with_the_cause_chained(error: Exception) -> None:
    with pytest.raises(UnserializableError, match=r"^value\[0\] .*cannot be pickled") as raised:
        encode([Unpicklable(error)], pickling=True)
    assert raised.value.__cause__ is not None
    assert len(str(raised.value).splitlines()) == 1


def test_an_interrupt_passes_through_a_value_that_is_being_pickled() -> None:
    with pytest.raises(Interrupt):
        encode([Unpicklable(Interrupt())], pickling=True)


def _refuse_to_load() -> object:
    raise UserError


class Unloadable:
    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return _refuse_to_load, ()


def test_a_value_that_cannot_be_loaded_is_refused_when_it_is_saved() -> None:
    with pytest.raises(UnserializableError, match="Unloadable and cannot be pickled") as raised:
        encode(Unloadable(), pickling=True)
    assert isinstance(raised.value.__cause__, UserError)


class Shapeshifter:
    def __reduce__(self) -> tuple[type[list[object]], tuple[()]]:
        return list, ()


def test_a_value_that_pickle_gives_back_as_another_type_is_refused() -> None:
    with pytest.raises(UnserializableError, match="comes back from pickle as list"):
        encode(Shapeshifter(), pickling=True)


class Unprintable:
    def __repr__(self) -> str:
        raise UserError


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (threading.Lock(), "value"),
        ([0, 0, 0, {"when": threading.Lock()}], "value[3]['when']"),
        (({(1, 2): [threading.Lock()]},), "value[0][(1, 2)][0]"),
        ({threading.Lock(): 1}, "value.keys()"),
        ({"a": {(threading.Lock(),): 1}}, "value['a'].keys()[0]"),
        ({"a\nb": threading.Lock()}, r"value['a\nb']"),
        ({"x" * 99: threading.Lock()}, f"value['{'x' * 39}]"),
        ([[[[[[[[[[threading.Lock()]]]]]]]]]], "value[0][0][0][0]…[0][0][0][0]"),
    ],
)
@pytest.mark.parametrize("pickling", [True, False])
def test_a_refusal_is_one_line_that_says_where_what_and_what_to_do(
    value: object, where: str, pickling: bool
) -> None:
    with pytest.raises(UnserializableError) as raised:
        encode(value, pickling=pickling)
    message = str(raised.value)
    assert message.startswith(f"{where} is of type _thread.lock and ")
    assert ": use None, bool, int" in message
    assert len(message.splitlines()) == 1


class Shown:
    def __repr__(self) -> str:
        return "several\n   lines"


def test_a_key_that_cannot_be_shown_does_not_hurt_the_refusal() -> None:
    with pytest.raises(
        UnserializableError, match=r"^value\[<Unprintable>\] is of type _thread.lock"
    ):
        encode({Unprintable(): threading.Lock()}, pickling=True)


def test_a_key_that_shows_several_lines_still_makes_a_refusal_of_one_line() -> None:
    with pytest.raises(UnserializableError, match=r"^value\[several lines\]\.keys\(\) is of"):
        encode({Shown(): {threading.Lock(): 1}}, pickling=True)


# --- recursion -----------------------------------------------------------------------------------


def nested(depth: int, wrap: Callable[[object], object]) -> object:
    value: object = 0
    for _ in range(depth):
        value = wrap(value)
    return value


WRAPS: list[Callable[[object], object]] = [
    lambda inner: [inner],
    lambda inner: (inner,),
    lambda inner: {1: inner},
    lambda inner: {"$tuple": inner},
    lambda inner: frozenset([inner]),
]


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_deep_value_is_carried_without_pickle_down_to_a_fixed_depth(
    wrap: Callable[[object], object],
) -> None:
    value = nested(64, wrap)
    assert through_json(value) == value
    with pytest.raises(UnserializableError, match=r"^value is .* nested more than 64 deep"):
        encode(wrap(value), pickling=False)


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_value_that_is_too_deep_is_pickled_whole(wrap: Callable[[object], object]) -> None:
    value = nested(65, wrap)
    encoded: Any = encode(value, pickling=True)
    assert list(encoded) == ["$pickle"]
    assert through_json(value, pickling=True) == value


@pytest.mark.parametrize("wrap", WRAPS[:4])
@pytest.mark.parametrize("pickling", [True, False])
def test_a_value_too_deep_even_for_pickle_is_refused(
    wrap: Callable[[object], object], pickling: bool
) -> None:
    with pytest.raises(UnserializableError):
        encode(nested(100_000, wrap), pickling=pickling)


def test_a_stack_that_is_nearly_full_makes_no_recursion_error() -> None:
    value = nested(60, lambda inner: {1: (inner,)})

    def descend(frames: int) -> object:
        return descend(frames - 1) if frames else encode(value, pickling=False)

    with pytest.raises(UnserializableError, match="nested"):
        descend(sys.getrecursionlimit() - len(traceback.extract_stack()) - 60)


def _list_in_itself() -> object:
    value: list[object] = []
    value.extend([value, value])
    return value


def _dict_in_itself() -> object:
    value: dict[object, object] = {}
    value["self"] = value
    return value


def _tuple_in_itself() -> object:
    inner: list[object] = []
    value = ({1: inner},)
    inner.append(value)
    return value


KNOTS = [_list_in_itself(), _dict_in_itself(), _tuple_in_itself()]


@pytest.mark.parametrize("knot", KNOTS, ids=repr)
def test_a_value_that_holds_itself_is_refused_where_nothing_may_be_pickled(knot: object) -> None:
    with pytest.raises(UnserializableError, match="holds itself"):
        encode(knot, pickling=False)


def test_a_value_that_holds_itself_is_restored_holding_itself() -> None:
    restored: Any = through_json(KNOTS[0], pickling=True)
    assert restored[0] is restored
    assert restored[1] is restored


# --- what cannot be restored ---------------------------------------------------------------------


def test_a_value_whose_class_is_gone_says_so_when_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("module_of_yesterday")
    exec("class Gone: pass", module.__dict__)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, module.__name__, module)
        encoded = encode(module.Gone(), pickling=True)
    with pytest.raises(UnserializableError, match=r"ModuleNotFoundError: .*yesterday") as raised:
        decode(encoded, pickling=True)
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize("pickling", [True, False])
@pytest.mark.parametrize("data", [{"$future": 1}, [{"a": {"$future": [{"$tuple": []}]}}]])
def test_a_tag_of_a_newer_version_is_named_and_not_taken_for_a_dict(
    data: JSON, pickling: bool
) -> None:
    with pytest.raises(UnserializableError, match=r"^a saved value has .*'\$future'.*: upgrade"):
        decode(data, pickling=pickling)


@pytest.mark.parametrize(
    "data",
    [
        {"$date": 5},
        {"$datetime": {}},
        {"$tuple": 1},
        {"$zoneinfo": "Atlantis/Capital"},
        {"$decimal": "one"},
        {"$pickle": "AAAA"},
        {"$pickle": 1},
        {"$dict": [1]},
        {"$set": [[]]},
    ],
    ids=repr,
)
def test_damaged_data_is_one_error_of_one_line_with_the_cause_chained(data: JSON) -> None:
    with pytest.raises(UnserializableError, match=r"^a saved value cannot be restored") as raised:
        decode([data], pickling=True)
    assert raised.value.__cause__ is not None
    assert len(str(raised.value).splitlines()) == 1


def test_data_too_deep_to_read_is_an_error_of_ours() -> None:
    data: Any = nested(100_000, lambda inner: [inner])
    with pytest.raises(UnserializableError, match="RecursionError"):
        decode(data, pickling=False)


# --- for people ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "view"),
    [
        (None, None),
        (True, True),
        (1, 1),
        (-0.5, -0.5),
        ("é", "é"),
        ("x" * 300, "x" * 300),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        ({8, 0}, [0, 8]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({"a": (1,), 2: 3, None: 4}, {"a": [1], "2": 3, "None": 4}),
        ({date(2024, 1, 2): 1, (1, "a"): 2}, {"2024-01-02": 1, "[1, 'a']": 2}),
        ({"$tuple": [1]}, {"$tuple": [1]}),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, tzinfo=timezone.utc), "2024-01-02 00:00:00+00:00"),
        (time(1, 2), "01:02:00"),
        (timedelta(seconds=90), "0:01:30"),
        (BERLIN, "Europe/Berlin"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"a\x00", r"b'a\x00'"),
        (b"a" * 300, "b'" + "a" * 198),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (2**64, str(2**64)),
        (2**64 - 1, 2**64 - 1),
        (-(2**63) - 1, str(-(2**63) - 1)),
        ("a\ud83d", "a\\ud83d"),
        (Color.RED, repr(Color.RED)),
        (Point(1, 2), "Point(x=1, y=2)"),
        ([Unprintable()], ["<Unprintable>"]),
        (threading.Lock, repr(threading.Lock)),
    ],
)
def test_a_view_for_people_is(value: object, view: JSON) -> None:
    assert same(plain(value), view)


def test_an_int_too_long_to_be_written_is_viewed_as_an_int() -> None:
    assert plain(10**5000) == "<int>"


def test_a_view_never_pickles(pickle_calls: list[str]) -> None:
    plain([Witness()])
    assert pickle_calls == []


def test_a_long_view_of_an_object_is_cut_at_200_characters() -> None:
    assert plain(Point(0, "x" * 300)) == repr(Point(0, "x" * 300))[:200]


class BrokenZone(PlainZone):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        raise UserError


@pytest.mark.parametrize(
    "value",
    [
        *KNOTS,
        *[nested(100_000, wrap) for wrap in WRAPS[:4]],
        datetime(2024, 1, 1, tzinfo=BrokenZone()),
        timezone(timedelta(0), SURROGATES),
        Name(SURROGATES),
        {SURROGATES: SURROGATES},
        UserError(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_view_never_fails(value: object) -> None:
    assert_any_writer_takes(plain(value))


def assert_any_writer_takes(view: JSON) -> None:
    text = json.dumps(view, allow_nan=False, ensure_ascii=False)
    assert same(json.loads(text.encode("utf-8")), view)


@settings(deadline=None)
@given(carried)
def test_a_view_of_any_carried_value_is_taken_by_any_writer(value: object) -> None:
    view = plain(value)
    assert_any_writer_takes(view)
    assert same(plain(view), view)
