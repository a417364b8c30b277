from contextlib import AbstractContextManager

class transaction:
    @staticmethod
    def atomic() -> AbstractContextManager[None]: ...
