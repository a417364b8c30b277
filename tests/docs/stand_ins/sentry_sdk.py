def init(*, dsn: str) -> None:
    assert dsn
