"""The platform as the charts render it now: where the commands know objects and names from.

Nothing here imports the charts before it is asked: Node takes two seconds to start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from constructs_lib.errors import PlatformError
from ops.errors import OpsError

if TYPE_CHECKING:
    from charts.memory import Memory
    from constructs_lib.kubernetes import App, Snapshot
    from constructs_lib.model import Manifest, Pending


@cache
def app() -> App:
    """Every chart, declared. Raises OpsError with every mistake in a chart, and DeclarationError
    for one in the catalogue.
    """
    from charts import registry

    with _refusals():
        return registry.build(registry.current())


@cache
def snapshot() -> Snapshot:
    """Every object, as it will be written."""
    return app().snapshot()


@cache
def files() -> dict[str, str]:
    """What dist/ should hold, text by path. Raises OpsError with everything that is refused."""
    with _refusals():
        return app().render()


@cache
def memory() -> Memory:
    """What the charts render, as the last synth left it; rendered again if they have changed."""
    from charts.memory import Memory, recall

    return recall() or Memory.of(snapshot(), files())


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except PlatformError as error:
        raise OpsError("\n".join(error.problems)) from error


def objects() -> list[Manifest]:
    """Every object, in the order of the charts."""
    return snapshot().objects


def image(service: str) -> str:
    """The image of a service, without a tag."""
    from catalogue.platform import current

    return f"{current().registry}/{service}"


def pending() -> list[Pending]:
    """The workloads that wait for a setting."""
    return snapshot().pending
