"""What people hand to `step.each` or a source by mistake, and what they may have meant."""

from __future__ import annotations

from collections.abc import Coroutine, ItemsView, Iterable, KeysView, Sequence, Set
from os import PathLike
from types import GeneratorType
from typing import Any

from rq_steps.errors import InvalidStepError

_SET_ITERATOR = type(iter(set[Any]()))
_LISTING = {"glob", "os", "pathlib"}


def called(given: Any) -> str:
    """What it is called in a message: its value may be long, or secret."""
    if isinstance(given, type):
        return f"the class {given.__name__}"
    return "None" if given is None else type(given).__name__


def refuse_text(given: Any) -> None:
    """Refuse a text and a path: nobody means its characters.

    Raises:
        TypeError: it is one.
    """
    if isinstance(given, str) or (isinstance(given, PathLike) and not isinstance(given, Iterable)):
        raise TypeError(
            f"found {given!r}, which is no source: for a file use lines(...), jsonl(...), "
            "csv_rows(...) or csv_dicts(...), for characters list(...)"
        )


def refuse_uniterable(given: Any) -> None:
    """Refuse what cannot be iterated.

    Raises:
        TypeError: it cannot.
    """
    if isinstance(given, Iterable) or hasattr(type(given), "__getitem__"):
        return
    if isinstance(given, type):
        raise TypeError(f"found {called(given)}, which cannot be iterated")
    if isinstance(given, Coroutine):
        given.close()
        name = getattr(given, "__name__", "")
        raise TypeError(f"found the coroutine {name}, which has to be awaited first")
    if callable(given):
        name = getattr(given, "__name__", type(given).__name__)
        raise TypeError(f"found the function {name}, which cannot be iterated: is it to be called?")
    raise TypeError(f"found {given!r}, which cannot be iterated")


def refuse_class(given: Any) -> None:
    """Refuse the class of an async source in the place of one.

    Raises:
        TypeError: it is one.
    """
    if isinstance(given, type) and not hasattr(type(given), "__aiter__"):
        raise TypeError(f"found {called(given)}, which cannot be iterated")


def refuse_unstable(given: Any) -> None:
    """Refuse what cannot be resumed: sets have another order in another process, and folders
    another one when a file was made or deleted."""
    is_set = isinstance(given, Set) and not _is_view(given)
    if is_set or isinstance(given, set | frozenset | _SET_ITERATOR):
        raise InvalidStepError(
            f"a {type(given).__name__} has no stable order to resume in: iterate sorted(...)"
        )
    if _lists_a_folder(given):
        raise InvalidStepError(
            "a folder has no stable order to resume in, and its files come and go: "
            "list it once, in a step that returns the sorted names"
        )


def refuse_untexts(names: Any, expected: str) -> None:
    """Refuse what is no list of texts.

    Args:
        expected: what the message begins with.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(names, Sequence) or isinstance(names, bytes):
        raise TypeError(f"{expected}, found {called(names)}")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{expected}, found {called(name)} in it")


def refuse_size(size: Any) -> None:
    """Refuse a size that no batch has.

    Raises:
        TypeError: it is no int.
        ValueError: it is not at least 1.
    """
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"the size of a batch is an int, found {size!r}")
    if size < 1:
        raise ValueError(f"the size of a batch must be at least 1, found {size}")


def _is_view(given: Any) -> bool:
    return isinstance(given, KeysView | ItemsView)


def _lists_a_folder(given: Any) -> bool:
    """Is it of os.scandir, or a generator of os.walk, Path.iterdir, glob.iglob and the like?"""
    if isinstance(given, GeneratorType):
        frame = given.gi_frame
        return frame is not None and frame.f_globals["__name__"].partition(".")[0] in _LISTING
    return type(given).__name__ == "ScandirIterator"
