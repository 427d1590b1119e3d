"""Ends a test run if a resource that all tests need does not start."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

import pytest

T = TypeVar("T")


@contextmanager
def needed_by_all(
    request: pytest.FixtureRequest, what: str, starting: AbstractContextManager[T]
) -> Iterator[T]:
    """Start a resource that all tests need; if that fails, the run ends with the error."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(starting)
        except Exception:
            request.session.shouldfail = f"{what} does not start, but all tests need it"
            raise
        yield running
