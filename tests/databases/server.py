"""What the tests ask of a database server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from sqlalchemy import URL


class DatabaseServer(ABC):
    """One of the tests' own, with a database that each test finds empty."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def url(self) -> URL:
        """The database's, for SQLAlchemy."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The database's, for Django."""

    @abstractmethod
    def connect(self, **options: Any) -> Any:
        """A connection of the driver to the database."""

    @abstractmethod
    def create(self) -> None:
        """Make the database."""

    @abstractmethod
    def drop(self) -> None:
        """Whatever is connected to it."""

    @abstractmethod
    def transactions(self) -> int:
        """How many are open in the database, by what the server says."""
