"""The platform as the charts render it now: where the commands know objects and names from.

Nothing here imports the charts before it is asked: Node takes two seconds to start.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from constructs_lib.errors import PlatformError, collect
from ops.errors import OpsError

if TYPE_CHECKING:
    from constructs_lib.kubernetes import App, Pending
    from constructs_lib.model import Manifest


@cache
def app() -> App:
    """Every chart, declared. Raises OpsError with every mistake in a declaration."""
    made: list[App] = []
    problems: list[str] = []

    def declare() -> None:
        from charts import registry  # mistakes in the catalogue come up when it is imported

        made.append(registry.build(registry.current()))

    try:
        collect(problems, declare)
    except PlatformError as error:
        problems.extend(error.problems)
    if problems:
        raise OpsError("\n".join(problems))
    return made[0]


@cache
def files() -> dict[str, str]:
    """What dist/ should hold, text by path. Raises OpsError with everything that is refused."""
    try:
        return app().render()
    except PlatformError as error:
        raise OpsError("\n".join(error.problems)) from error


def objects() -> list[Manifest]:
    """Every object, in the order of the charts."""
    return [item for chart in app().files for item in chart.manifests]


def image(service: str) -> str:
    """The image of a service, without a tag."""
    from catalogue.platform import current

    return f"{current().registry}/{service}"


def pod_template(item: Manifest) -> Manifest | None:
    """The pod template of a Deployment, Job or CronJob; None for any other kind."""
    from constructs_lib import capacity

    return capacity.pod_template(item)


def pending() -> list[Pending]:
    """The workloads that wait for a setting."""
    return [job for chart in app().files for job in chart.pending]
