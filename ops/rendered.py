"""The platform as the charts render it now.

Imports the charts only on use: Node takes two seconds to start.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charts.memory import Memory
    from constructs_lib.kubernetes import App, Snapshot
    from constructs_lib.model import Manifest, Pending


@cache
def app() -> App:
    """Return every chart.

    Raises PlatformError with every error in the charts, and DeclarationError for one in the
    catalogue.
    """
    from charts import registry

    return registry.build(registry.current())


@cache
def snapshot() -> Snapshot:
    return app().snapshot()


@cache
def files() -> dict[str, str]:
    """Return the expected content of dist/, text by path. Raises PlatformError with every error."""
    return app().render()


@cache
def memory() -> Memory:
    """Return what the last synth rendered, or render again if the charts have changed."""
    from charts.memory import Memory, recall

    return recall() or Memory.of(snapshot(), files())


def objects() -> list[Manifest]:
    """Return every object, in chart order."""
    return snapshot().objects


def image(service: str) -> str:
    """Return the image of a service, without a tag."""
    from catalogue.platform import current

    return f"{current().registry}/{service}"


def pending() -> list[Pending]:
    """Return the workloads that wait for a setting."""
    return snapshot().pending
