"""In which order steps may come: each once, and those of the record first, as they came then."""

from __future__ import annotations

from collections.abc import Iterable

from rq_steps.errors import InvalidStepError


class Order:
    """What an execution has met so far, against what the record holds."""

    def __init__(self, completed: Iterable[str]) -> None:
        self._completed = tuple(completed)
        self._met: set[str] = set()

    @property
    def place(self) -> int:
        """How many steps have been met."""
        return len(self._met)

    @property
    def is_behind(self) -> bool:
        """Are there completed steps that have not been met yet?"""
        return self.place < len(self._completed)

    def check(self, name: str, begun: str | None) -> None:
        """Refuse a step that may not come now; `begun` is the one that has not completed.

        Raises:
            InvalidStepError: it came already, or another one is expected.
        """
        if name in self._met:
            raise InvalidStepError(
                f"step '{name}' has been called already: "
                "call it again under another name, with its with_options(name=...)"
            )
        if self.is_behind and self._completed[self.place] != name:
            raise InvalidStepError(
                f"step '{name}' found, expected '{self._completed[self.place]}', "
                "which had completed here earlier"
            )
        if not self.is_behind and begun not in (None, name):
            raise InvalidStepError(f"step '{name}' found, expected to resume from '{begun}'")

    def meet(self, name: str) -> None:
        """It is this step's turn."""
        self._met.add(name)

    def check_end(self, begun: str | None) -> None:
        """Refuse the end of a continuable that has left out a step of the record.

        Raises:
            InvalidStepError: a completed step was not met, or the current one has not completed.
        """
        if self.is_behind:
            missing = self._completed[self.place]
            raise InvalidStepError(
                f"step '{missing}' had completed earlier, and was not called this time"
            )
        if begun in self._met:
            raise InvalidStepError(
                f"step '{begun}' did not complete: its error was caught, or it was not awaited"
            )
        if begun is not None:
            raise InvalidStepError(
                f"step '{begun}' had begun earlier, and was not called this time"
            )
