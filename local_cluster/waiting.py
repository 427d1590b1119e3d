"""Helpers that wait for a condition or repeat an action."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

T = TypeVar("T")

NOT_ANSWERING = (ApiException, HTTPError, ConnectionError)
"""Client errors while the API server is down, starting or overloaded."""


def eventually(what: str, check: Callable[[], T], within: float = 60, every: float = 0.3) -> T:
    """Call `check` until it returns a truthy value, and return that value.

    `check` may raise AssertionError to explain a failure. After `within` seconds, raises
    AssertionError with `what` and the last result.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            answer = check()
            if answer:
                return answer
            last = repr(answer)
        except (AssertionError, *NOT_ANSWERING) as error:
            last = str(error)
        if time.monotonic() > deadline:
            raise AssertionError(f"timeout after {within:.0f} s: {what}; last result: {last}")
        time.sleep(every)


@contextmanager
def repeating(action: Callable[[], None], every: float) -> Iterator[None]:
    """Call an action every `every` seconds while the block runs.

    Errors are raised at the end of the block, except those of an unavailable API server.
    """
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every):
            # the API server is down or the object has changed: the next call retries
            with suppress(*NOT_ANSWERING):
                action()

    with ThreadPoolExecutor(1) as thread:
        repeated = thread.submit(repeat)
        try:
            yield
        finally:
            ended.set()
        repeated.result()
