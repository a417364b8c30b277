"""Which values can be carried, and how.

A record is JSON. What JSON holds is carried as it is. What JSON cannot hold is taken apart into
simpler values under a tag, as in `{"$tuple": [1, 2]}`. Anything else is pickled, where pickle is
allowed, and refused where it is not. Types are matched exactly: a subclass is not its base.
"""

from __future__ import annotations

import json
import math
import pickle
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias, TypeGuard, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from rq_steps.errors import UnserializableError

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Moment = TypeVar("Moment", datetime, time)

# Python may be told to refuse ints of more digits than this, but never of fewer.
_BIGGEST = 10**640
# Far enough from Python's limit of 1000 frames for writing, JSON and reading to stay below it.
_DEEPEST = 64
# JSON would join two of them into one character, and strict readers refuse even one.
_SURROGATE = re.compile("[\ud800-\udfff]")
_KEYS = object()
_CARRIED = "None, bool, int, float, str, bytes, list, tuple, set, dict, date, datetime, Decimal, …"


def encode(value: object, *, pickling: bool) -> JSON:
    """Return `value` as JSON, from which `decode` makes an equal value of the same type.

    The result shares nothing with `value`. Raises `UnserializableError` where that cannot be done.
    With `pickling`, what has no JSON form is pickled, and loaded once to prove that it can be.
    """
    try:
        return _encoded(value, (), pickling)
    except RecursionError:
        why = f"is nested more than {_DEEPEST} deep, or holds itself"
        return _pickled(value, (), pickling, why)


def decode(data: JSON, *, pickling: bool) -> object:
    """Return the value that `encode` was given. Without `pickling` nothing is ever unpickled.

    Raises `UnserializableError` where the value cannot be had: its class is gone, it is pickled and
    may not be, or a newer version wrote it.
    """
    try:
        return _decoded(data, pickling)
    except UnserializableError:
        raise
    except Exception as error:
        message = f"a saved value cannot be restored ({_cause(error)}): bring back what it needs"
        raise UnserializableError(f"{message}, or start the job afresh") from error


def plain(value: object) -> JSON:
    """Return a view of `value` for people and dashboards, in what every JSON writer takes.

    It cannot be turned back into the value. It never fails and never pickles.
    """
    try:
        return _view(value, 0)
    except RecursionError:
        return _shown(value)


@dataclass(frozen=True)
class Carrier:
    """How values of exactly one type are carried: `dump` takes one apart, `load` makes it again.

    What `dump` returns is encoded in its turn, and `load` is given it decoded. `view` shows a value
    to people.
    """

    tag: str
    type: type
    dump: Callable[[Any], object]
    load: Callable[[Any], object]
    view: Callable[[Any], object] = str
    ordered: bool = True


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _arguments(value: timedelta | timezone) -> list[Any]:
    """What pickle would call the type with. A timezone has a second one if it was given a name."""
    return list(value.__reduce__()[1])


def _zone_key(zone: ZoneInfo) -> str:
    # Refuses, as pickle does, a zone that was read from a file: its key would find another one.
    zone.__reduce__()
    return zone.key


def _moment_parts(moment: datetime | time) -> object:
    if not moment.fold and (moment.tzinfo is None or _is_bare_offset(moment.tzinfo)):
        return moment.isoformat()
    at = moment.replace(tzinfo=None, fold=0).isoformat()
    return {"at": at, "tzinfo": moment.tzinfo, "fold": moment.fold}


def _is_bare_offset(zone: tzinfo) -> bool:
    if type(zone) is not timezone or len(_arguments(zone)) > 1:
        return False
    # Python 3.10 reads an offset of less than a second as none.
    return not zone.utcoffset(None).microseconds


def _moment(kind: type[Moment], parts: Any) -> Moment:
    if isinstance(parts, str):
        return kind.fromisoformat(parts)
    return kind.fromisoformat(parts["at"]).replace(tzinfo=parts["tzinfo"], fold=parts["fold"])


CARRIERS = (
    Carrier("$int", int, hex, lambda digits: int(digits, 16), repr),
    Carrier("$float", float, repr, float),
    Carrier("$complex", complex, lambda z: [z.real, z.imag], lambda parts: complex(*parts)),
    Carrier("$decimal", Decimal, str, Decimal),
    Carrier(
        "$str", str, lambda s: s.encode("unicode_escape"), lambda b: b.decode("unicode_escape")
    ),
    Carrier("$bytes", bytes, _base64, b64decode, repr),
    Carrier("$bytearray", bytearray, bytes, bytearray, repr),
    Carrier("$tuple", tuple, list, tuple, list),
    Carrier("$set", set, list, set, list, ordered=False),
    Carrier("$frozenset", frozenset, list, frozenset, list, ordered=False),
    Carrier("$date", date, date.isoformat, date.fromisoformat),
    Carrier("$datetime", datetime, _moment_parts, partial(_moment, datetime)),
    Carrier("$time", time, _moment_parts, partial(_moment, time)),
    Carrier("$timedelta", timedelta, _arguments, lambda arguments: timedelta(*arguments)),
    Carrier("$timezone", timezone, _arguments, lambda arguments: timezone(*arguments)),
    Carrier("$zoneinfo", ZoneInfo, _zone_key, ZoneInfo),
    Carrier("$uuid", UUID, str, UUID),
)
_BY_TYPE = {carrier.type: carrier for carrier in CARRIERS}
_LOADERS: dict[str, Callable[[Any], object]] = {
    "$dict": dict,
    "$pickle": lambda data: pickle.loads(b64decode(data)),
    **{carrier.tag: carrier.load for carrier in CARRIERS},
}


_NATIVE: dict[type, Callable[[Any], bool]] = {
    type(None): lambda _: True,
    bool: lambda _: True,
    int: lambda number: -_BIGGEST < number < _BIGGEST,
    float: math.isfinite,
    str: lambda text: text.isascii() or not _SURROGATE.search(text),
}


def _is_native(value: object) -> TypeGuard[JSON]:
    native = _NATIVE.get(type(value))
    return native is not None and native(value)


def _tag(data: dict[str, Any]) -> str | None:
    """The key of a one-key object that is, or looks like, a tag."""
    key = next(iter(data)) if len(data) == 1 else ""
    return key if key.startswith("$") else None


def _is_object(value: dict[Any, Any]) -> bool:
    return all(type(key) is str and _is_native(key) for key in value) and _tag(value) is None


def _encoded(value: Any, path: tuple[object, ...], pickling: bool) -> JSON:
    if _is_native(value):
        return value
    if len(path) == _DEEPEST:
        raise RecursionError
    kind = type(value)
    if kind is list:
        return [_encoded(item, (*path, index), pickling) for index, item in enumerate(value)]
    if kind is dict:
        return _encoded_dict(value.copy(), path, pickling)
    carrier = _BY_TYPE.get(kind)
    if carrier is None:
        return _pickled(value, path, pickling, "is nothing that JSON can hold")
    try:
        parts: Any = _encoded(carrier.dump(value), path, pickling)
    except pickle.PicklingError as error:
        raise _refusal(value, path, f"cannot be restored ({_cause(error)})") from error
    return {carrier.tag: parts if carrier.ordered else sorted(parts, key=json.dumps)}


def _encoded_dict(value: dict[Any, Any], path: tuple[object, ...], pickling: bool) -> JSON:
    if _is_object(value):
        return {key: _encoded(item, (*path, key), pickling) for key, item in value.items()}
    pairs: list[JSON] = [
        [_encoded(key, (*path, _KEYS), pickling), _encoded(item, (*path, key), pickling)]
        for key, item in value.items()
    ]
    return {"$dict": pairs}


def _pickled(value: object, path: tuple[object, ...], pickling: bool, why: str) -> JSON:
    if not pickling:
        raise _refusal(value, path, f"{why}, and only RQ's pickle serializer could carry it")
    try:
        import cloudpickle  # type: ignore[import-untyped]  # it ships no types

        pickled = cloudpickle.dumps(value)
        restored = pickle.loads(pickled)
    except Exception as error:
        raise _refusal(value, path, f"cannot be pickled ({_cause(error)})") from error
    if type(restored) is not type(value):
        raise _refusal(value, path, f"comes back from pickle as {_type_name(restored)}")
    return {"$pickle": _base64(pickled)}


def _refusal(value: object, path: tuple[object, ...], why: str) -> UnserializableError:
    way = [".keys()" if at is _KEYS else f"[{_shown(at)[:40]}]" for at in path]
    where = "".join(way if len(way) <= 8 else [*way[:4], "…", *way[-4:]])
    message = f"value{where} is of type {_type_name(value)} and {why}: use {_CARRIED}"
    return UnserializableError(" ".join(message.split()))


def _decoded(data: Any, pickling: bool) -> Any:
    if type(data) is list:
        return [_decoded(item, pickling) for item in data]
    if type(data) is not dict:
        return data
    tag = _tag(data)
    if tag is None:
        return {key: _decoded(value, pickling) for key, value in data.items()}
    if tag == "$pickle" and not pickling:
        message = "a saved value is pickled, and this job's serializer is not RQ's pickle"
        raise UnserializableError(f"{message}: use the serializer that the job was saved with")
    if tag not in _LOADERS:
        message = f"a saved value has the tag {_shown(tag)[:40]}, which this version does not know"
        raise UnserializableError(f"{message}: upgrade rq-steps")
    return _LOADERS[tag](_decoded(data[tag], pickling))


def _view(value: Any, depth: int) -> JSON:
    if depth > _DEEPEST:
        raise RecursionError
    kind = type(value)
    if kind is dict:
        return {str(_view(k, depth + 1)): _view(v, depth + 1) for k, v in value.copy().items()}
    if kind is list:
        return [_view(item, depth + 1) for item in value]
    # orjson takes no longer ints.
    if kind is int and not -(2**63) <= value < 2**64:
        return _shown(value)
    if _is_native(value):
        return value
    carrier = _BY_TYPE.get(kind)
    if carrier is None or carrier.view is not list:
        return _shown(value, carrier.view if carrier else repr)
    items = [_view(item, depth + 1) for item in list(value)]
    return items if carrier.ordered else sorted(items, key=json.dumps)


def _shown(value: object, show: Callable[[Any], object] = repr) -> str:
    """A short text for any value, even for one whose own methods fail."""
    try:
        return str.encode(str(show(value)), errors="backslashreplace").decode()[:200]
    except Exception:
        return f"<{type(value).__name__}>"


def _type_name(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {_shown(error, str)}"
