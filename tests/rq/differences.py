"""The tests of RQ's that our workers must not pass, each with its reason."""

DIFFERENCES: dict[str, str] = {}
