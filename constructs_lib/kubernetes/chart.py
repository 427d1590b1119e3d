"""The Chart: one service, one file in dist/ and one Argo CD Application; and its constructs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import cdk8s
from constructs import Construct, IConstruct

from constructs_lib.errors import declaring_line
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.network import CallDirectory
from constructs_lib.manifests.objects import is_cluster_scoped
from constructs_lib.model import Manifest, Pending
from constructs_lib.model.checks import checked
from constructs_lib.model.names import Folder, LabelKey, LabelValue, ObjectName
from constructs_lib.model.platform import Platform, find_in_scopes

if TYPE_CHECKING:
    from constructs_lib.kubernetes.app import App


@checked
class Chart(cdk8s.Chart):
    """All objects of one service.

    A cdk8s Chart, which can contain native cdk8s constructs as well as ours. Our constructs keep
    their objects as plain data (`KubeObject`), which are not children in cdk8s; `to_json` returns
    both.
    """

    def __init__(
        self,
        scope: Construct,
        name: ObjectName,
        *,
        namespace: ObjectName | None = None,
        folder: Folder | None = None,
        labels: Mapping[LabelKey, LabelValue] | None = None,
        disable_resource_name_hashes: bool | None = None,
    ) -> None:
        """Create a chart, rendered to `<folder>/<name>.k8s.yaml`.

        Args:
            scope: The App, or another chart.
            name: Name, unique among all charts.
            namespace: Namespace of its objects. Default: none, for cluster-scoped objects.
            folder: Folder of the file below dist/. Default: the namespace, or `cluster`.
            labels: Labels for every object. Default: none.
            disable_resource_name_hashes: As in cdk8s, for native objects without a name.
        """
        self.platform = Platform.of(scope)
        self.declared = declaring_line()
        """The line that declared it."""
        self.name = name
        self._namespace = namespace
        self._labels = {
            "app.kubernetes.io/managed-by": "cdk8s",
            "app.kubernetes.io/part-of": self.platform.name,
            **(labels or {}),
        }
        super().__init__(
            scope,
            name,
            namespace=namespace,
            labels=self._labels,
            disable_resource_name_hashes=disable_resource_name_hashes,
        )
        self.path = f"{folder or namespace or 'cluster'}/{name}.k8s.yaml"
        self.kube_objects: list[KubeObject] = []
        """Objects created by the constructs of this library, in order of declaration."""
        self.pending: list[Pending] = []
        self.calls = find_in_scopes(scope, "calls", CallDirectory, "is not in an App(platform)")
        """Calls inside the cluster, for all charts of the App."""

    # These two override the properties of cdk8s, to avoid a message to Node per access. Cached,
    # because Node would call back a plain property.

    @cached_property
    def namespace(self) -> str | None:
        """The namespace of the objects; None for a cluster-scoped chart."""
        return self._namespace

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """The labels of every object."""
        return self._labels

    @property
    def chart(self) -> Self:
        """The chart itself, so that `chart` works on charts and constructs."""
        return self

    @classmethod
    def of(cls, construct: IConstruct) -> Self:
        """The chart that is or contains `construct`. Raises DeclarationError if none does."""
        return find_in_scopes(construct, "chart", cls, f"is not in a {cls.__name__}")

    def to_json(self) -> list[Manifest]:
        """All objects of the chart as they are written. Raises PlatformError for the whole App."""
        app: App = self.node.root  # type: ignore[assignment]
        return app.validate().of(self).objects


class ChartConstruct(Construct):
    """A construct in a chart, with objects of its own."""

    labels: Mapping[str, str] = {}
    """Labels for every object."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        self.name = name
        self.chart = Chart.of(scope)
        self.platform = self.chart.platform

    @property
    def location(self) -> str:
        """Its path, for errors in its declaration."""
        return self.node.path

    def add(
        self,
        api_version: str,
        kind: str,
        spec: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        finalizers: tuple[str, ...] = (),
        **fields: Any,
    ) -> KubeObject:
        """Add an object, with the field names of Kubernetes. None omits a field.

        It has the name of the construct unless `name` is set, the labels of the construct and the
        chart, and the namespace of the chart unless its kind is cluster-scoped. `fields` are those
        besides `spec`, such as `data`.
        """
        kind_only = {"apiVersion": api_version, "kind": kind}
        metadata = {
            "name": name or self.name,
            "namespace": None if is_cluster_scoped(kind_only) else self.chart.namespace,
            "labels": {**(labels or {}), **self.labels, **self.chart.labels},
            "annotations": annotations or None,
            "finalizers": finalizers or None,
        }
        added = KubeObject({**kind_only, "metadata": metadata, "spec": spec, **fields})
        self.chart.kube_objects.append(added)
        return added
