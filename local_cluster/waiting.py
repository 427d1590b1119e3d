"""Waiting for what a control plane does in its own time, and looking on meanwhile."""

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
"""What a client raises while the API server is down, starting, or refuses for now."""


def eventually(what: str, check: Callable[[], T], within: float = 60, every: float = 0.3) -> T:
    """The first truthy answer of check; it may raise AssertionError to say why not yet.

    Raises AssertionError that names `what`, the deadline in seconds and the last answer.
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
            raise AssertionError(f"{what}: not within {within:.0f} s, last seen: {last}")
        time.sleep(every)


@contextmanager
def repeating(action: Callable[[], None], every: float) -> Iterator[None]:
    """Call an action every so many seconds while the block runs, also while the API server is down.

    Whatever else goes wrong in the action is raised at the block's end.
    """
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every):
            # down, or an object changed in between: the next call sees the new state
            with suppress(*NOT_ANSWERING):
                action()

    with ThreadPoolExecutor(1) as thread:
        repeated = thread.submit(repeat)
        try:
            yield
        finally:
            ended.set()
        repeated.result()
