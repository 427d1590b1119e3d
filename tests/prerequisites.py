"""What a whole run of tests needs, and cannot start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

import pytest

T = TypeVar("T")


@contextmanager
def needed_by_all(
    request: pytest.FixtureRequest, what: str, starting: AbstractContextManager[T]
) -> Iterator[T]:
    """Start what every test of a run needs; if that fails, the run ends with this error."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(starting)
        except Exception:
            request.session.shouldfail = f"{what} does not start, and every test needs it"
            raise
        yield running
