"""Which checkpoint a place is, and what is none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rq_steps.testing.place import Place

BETWEEN = (None, None, "validate", 1)
"""Between `validate` and the next step: step, cursor, after, and the number of the checkpoint."""
INSIDE = ("import_rows", 2, "validate", 3)


@pytest.mark.parametrize(
    "given", [{}, {"after": "a", "during": "b"}, {"after": "a", "checkpoint": 1}]
)
def test_a_place_is_one_of_after_during_and_checkpoint(given: dict[str, Any]) -> None:
    found = " and ".join(given) or "none of them"
    with pytest.raises(ValueError, match=f"one of after, during and checkpoint, found {found}$"):
        Place(**given)


@pytest.mark.parametrize("given", [{"after": "a"}, {"checkpoint": 1}])
def test_a_cursor_without_its_step_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cursor belongs to during"):
        Place(cursor=2, **given)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"after": len}, TypeError),
        ({"during": ""}, ValueError),
        ({"checkpoint": "1"}, TypeError),
        ({"checkpoint": True}, TypeError),
        ({"checkpoint": 0}, ValueError),
    ],
)
def test_what_names_no_checkpoint_is_refused(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=f"^{next(iter(given))} is"):
        Place(**given)


def test_after_a_step_is_between_it_and_the_next() -> None:
    assert Place(after="validate").matches(*BETWEEN)
    assert not Place(after="validate").matches(*INSIDE)
    assert not Place(after="import_rows").matches(*BETWEEN)


def test_during_a_step_is_at_each_of_its_checkpoints() -> None:
    assert Place(during="import_rows").matches(*INSIDE)
    assert not Place(during="validate").matches(*INSIDE)
    assert not Place(during="validate").matches(*BETWEEN)


@pytest.mark.parametrize(("cursor", "is_there"), [(2, True), (1, False), (3, False), (0, False)])
def test_a_cursor_picks_one_checkpoint_of_a_step(cursor: int, is_there: bool) -> None:
    assert Place(during="import_rows", cursor=cursor).matches(*INSIDE) is is_there


def test_a_checkpoint_is_counted_wherever_it_is() -> None:
    assert Place(checkpoint=1).matches(*BETWEEN)
    assert Place(checkpoint=3).matches(*INSIDE)
    assert not Place(checkpoint=2).matches(*INSIDE)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(after="validate"), "after 'validate'"),
        (Place(during="import_rows"), "during 'import_rows'"),
        (Place(during="import_rows", cursor=0), "during 'import_rows' at cursor 0"),
        (Place(during="import_rows", cursor="a\nb"), r"during 'import_rows' at cursor 'a\nb'"),
        (Place(checkpoint=4), "at checkpoint 4"),
    ],
)
def test_a_place_is_told_in_words(place: Place, words: str) -> None:
    assert place.describe() == words


def test_a_place_stays_as_it_is() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Place(after="validate").after = "import_rows"  # type: ignore[misc]  # what is tested
