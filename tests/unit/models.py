"""Models of Django, of the app `unit`. They need the fixture `django`, and are made once."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any


def meta(**options: Any) -> type:
    return type("Meta", (), {"app_label": "unit", **options})


@cache
def models() -> Any:
    from django.db import connections, models  # type: ignore[import-untyped]  # it ships no types
    from django.db.models.functions import (  # type: ignore[import-untyped]  # it ships no types
        Lower,
    )

    def model(name: str, base: Any = models.Model, /, **members: Any) -> Any:
        return type(name, (base,), {"__module__": __name__, **members})

    item = model(
        "Item",
        Meta=meta(unique_together=(("a", "b"),)),
        id=models.IntegerField(primary_key=True),
        a=models.IntegerField(),
        b=models.CharField(max_length=20),
    )
    author = model(
        "Author",
        Meta=meta(ordering=["-name"]),
        id=models.AutoField(primary_key=True),
        name=models.CharField(max_length=20),
    )
    tag = model(
        "Tag",
        Meta=meta(),
        id=models.AutoField(primary_key=True),
        name=models.CharField(max_length=20),
    )
    book = model(
        "Book",
        Meta=meta(
            constraints=[
                models.UniqueConstraint(fields=["shelf", "place"], name="shelf_and_place"),
                models.UniqueConstraint(
                    fields=["place"], condition=models.Q(shelf=1), name="place_of_some"
                ),
                models.UniqueConstraint(Lower("isbn"), "id", name="by_isbn"),
            ]
        ),
        id=models.IntegerField(primary_key=True),
        title=models.CharField(max_length=20, unique=True),
        isbn=models.CharField(max_length=20, default=""),
        shelf=models.IntegerField(),
        place=models.IntegerField(),
        sold=models.DateField(null=True),
        weight=models.FloatField(default=0.0),
        author=models.ForeignKey(author, on_delete=models.CASCADE),
        tags=models.ManyToManyField(tag),
        by_title=staticmethod(lambda: models.F("title").asc()),
        doubled=staticmethod(lambda: models.F("place") * 2),
    )
    novel = model("Novel", book, Meta=meta(), hero=models.CharField(max_length=20))
    value = model(
        "Value",
        Meta=meta(),
        id=models.AutoField(primary_key=True),
        number=models.BigIntegerField(default=0),
        flag=models.BooleanField(default=False),
        text=models.CharField(max_length=20, default=""),
        data=models.BinaryField(default=b""),
        day=models.DateField(default="2000-01-01"),
        moment=models.DateTimeField(default="2000-01-01T00:00Z"),
        hour=models.TimeField(default="00:00"),
        span=models.DurationField(default=timedelta(0)),
        price=models.DecimalField(default=0, max_digits=6, decimal_places=2),
        code=models.UUIDField(default="00000000-0000-0000-0000-000000000000"),
    )
    made = (item, author, tag, book, novel, value)
    with connections["default"].schema_editor() as editor:
        for each in made:
            editor.create_model(each)
    return SimpleNamespace(**{each.__name__: each for each in made})
