"""Requests to an API server, with timeouts and readable errors."""

import json
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from http.client import responses
from typing import Any, NamedTuple, TypeVar

from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError, MaxRetryError

from constructs_lib.manifests.objects import Kind
from constructs_lib.model import Manifest
from ops.errors import ClusterError, StatusError, UnreachableError

In = TypeVar("In")
Out = TypeVar("Out")

JSON = "application/json"
_SECONDS = (5, 30)
"""The connect timeout, and the read timeout between two bytes."""
_AT_ONCE = 8
"""Parallel requests, far below the API server's own limit for one client."""
_HANDSHAKE = re.compile(r"Handshake status (401|403)")
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


class Resource(NamedTuple):
    """A kind in one version of its API group."""

    group_version: str
    kind: str
    name: str
    """The plural in URL paths: `deployments`."""
    namespaced: bool
    verbs: tuple[str, ...]

    @property
    def group(self) -> str:
        return self.group_version.rpartition("/")[0]

    def path(self, name: str | None = None, namespace: str | None = None) -> str:
        """Return the URL path of an object, or of the collection without a name."""
        inside = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{_root(self.group_version)}{inside}/{self.name}{f'/{name}' if name else ''}"


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


@dataclass(frozen=True)
class Response:
    """A response of the API server, successful or not."""

    status: int
    content: Manifest
    """The object, or the `Status` with the reason of the refusal."""
    warnings: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The reason of the refusal."""
        return str(self.content.get("message", ""))


class Client:
    """One API server, in one context of the kubeconfig. Every method raises ClusterError."""

    def __init__(self, context: str | None = None, kubeconfig: str | None = None) -> None:
        """Connect.

        Args:
            context: A context of the kubeconfig. Default: its current context.
            kubeconfig: Its path. Default: $KUBECONFIG, or ~/.kube/config.
        """
        # takes a third of a second to import, and most commands do not need it
        from ops.cluster.kubeconfig import connect

        self.context, self._api = connect(context, kubeconfig)
        self.resources = Discovery(self)

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        accept: str = JSON,
        content_type: str = JSON,
    ) -> Response:
        """Return any response. Raises StatusError for rejected credentials and for throttling."""
        headers = {"Accept": accept, "Content-Type": content_type}
        with self._translated_errors():
            options = {"query_params": query, "body": body, "header_params": headers}
            answer = self._send(method, path, _SECONDS, **options)
            content = json_object(answer.data)
        # a proxy or a login page: API servers send JSON, or an error as plain text
        is_page = "html" in str(answer.headers.get("Content-Type"))
        if content is None and (answer.status < 300 or is_page):
            raise self.other_server()
        sent = map(_WARNING.match, answer.headers.getlist("Warning"))
        warnings = (match[1].replace('\\"', '"') for match in sent if match)
        response = Response(answer.status, content or {}, tuple(warnings))
        if response.status in (401, 429):
            raise self._refusal(response.status, response.message)
        return response

    def request(self, method: str, path: str, **options: Any) -> Manifest:
        """Return the content of a response, with the options of `exchange`.

        Raises StatusError if the request is refused.
        """
        response = self.exchange(method, path, **options)
        if not response.accepted:
            raise self._refusal(response.status, response.message, f"{method} {path}")
        return response.content

    def read(self, path: str) -> Manifest | None:
        """Return the response for a path; None for status 404."""
        try:
            return self.request("GET", path)
        except StatusError as error:
            if error.http_status != 404:
                raise
            return None

    def items_of(
        self, resource: Resource, namespace: str = "", selector: str = ""
    ) -> list[Manifest]:
        """Return the objects of a resource, with the apiVersion and kind that lists omit."""
        query = {"labelSelector": selector} if selector else None
        found = self.request("GET", resource.path(namespace=namespace), query=query)
        served = {"apiVersion": resource.group_version, "kind": resource.kind}
        return [{**served, **item} for item in found.get("items") or ()]

    def resource(self, api_version: str, kind: str) -> Resource:
        """Return the resource of a kind, if necessary in the server's preferred version.

        Raises ClusterError if the server does not serve the kind.
        """
        group, served = api_version.rpartition("/")[0], self.resources
        found = served.get(api_version, kind) or served.preferred.get((group, kind))
        if not found:
            raise ClusterError(f"the cluster lacks {kind} of {group}; install it first")
        return found

    def log(self, namespace: str, pod: str) -> Iterator[str]:
        """Stream the log of a single-container pod until the container ends, without a timeout."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        with self._translated_errors():
            answer = self._send("GET", path, query_params={"follow": "true"})
            if answer.status >= 300:
                message = (json_object(answer.data) or {}).get("message", "")
                raise self._refusal(answer.status, message, f"GET {path}")
            for line in answer:
                yield line.decode("utf-8", "replace").removesuffix("\n")

    @contextmanager
    def forwarded(self, namespace: str, pod: str, port: int) -> Iterator[socket.socket]:
        """Open a connection to a pod, bypassing Services, load balancers and NetworkPolicies."""
        from kubernetes.client import CoreV1Api
        from kubernetes.stream import portforward

        connect = CoreV1Api(self._api).connect_get_namespaced_pod_portforward
        with self._translated_errors():
            forward: Any = portforward(connect, pod, namespace, ports=str(port))
        try:
            yield forward.socket(port)
        finally:
            forward.close()

    def other_server(self) -> ClusterError:
        """Return the error for a server that responds unlike an API server."""
        return ClusterError(
            f"the server at {self._address} is not a Kubernetes API server; "
            "check proxy and VPN, or choose another context with --context"
        )

    def _send(self, method: str, path: str, timeout: Any = None, **options: Any) -> HTTPResponse:
        """Send a request with the token; return the response with any status, before its body."""
        request = self._api.param_serialize(method, path, auth_settings=["BearerToken"], **options)
        response: HTTPResponse = self._api.call_api(*request, _request_timeout=timeout).response
        return response

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn connection errors into ClusterErrors."""
        from kubernetes.client import ApiException  # for TLS and WebSockets

        try:
            yield
        except (HTTPError, OSError, ApiException) as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # the library wraps it
                raise KeyboardInterrupt from error
            refused = _HANDSHAKE.search(str(getattr(error, "reason", "")))
            if refused:
                raise self._refusal(int(refused[1]), "") from error
            cause = error.reason if isinstance(error, MaxRetryError) else error
            raise UnreachableError(
                f"the cluster of context {self.context} cannot be reached at "
                f"{self._address} ({type(cause).__name__}); check network and "
                "VPN, or choose another context with --context"
            ) from error

    @property
    def _address(self) -> str:
        """The address of the API server, without a password."""
        return re.sub(r"//[^/]*@", "//", str(self._api.configuration.host))

    def _refusal(self, status: int, message: str, request: str = "") -> StatusError:
        if status == 401 or (status == 403 and "system:anonymous" in message):
            text = (
                f"the cluster does not accept the credentials of context {self.context}; log in "
                "again, or choose another context with --context"
            )
        elif status == 403:
            text = f"context {self.context} lacks a permission in the cluster: {message}"
        elif status == 429:
            text = "the cluster throttles requests; try again in a minute"
        else:
            text = f"the cluster refuses {request}: {message or responses.get(status, status)}"
        return StatusError(text.rstrip(": "), status)


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """Parse a JSON object; None if the text is not one."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def in_parallel(ask: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
    """Call `ask` for all items in parallel. The first error cancels the rest."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(ask, items))


class Discovery:
    """The resources that an API server serves. Each API version is read once, when needed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._resources = cache(self._read)

    def get(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource of a kind, if it is served. Asks only for this API version."""
        return self._resources(api_version).get(kind)

    @cached_property
    def preferred(self) -> Mapping[Kind, Resource]:
        """Every resource in the server's preferred version, by group and kind."""
        versions = [group["preferredVersion"]["groupVersion"] for group in self._groups]
        return {
            (resource.group, kind): resource
            for version in versions
            for kind, resource in (self._all[version] or {}).items()
        }

    @property
    def silent(self) -> tuple[str, ...]:
        """API versions with unknown resources, because the server behind them is down."""
        return tuple(version for version, resources in self._all.items() if resources is None)

    def versions(self, kind: Kind) -> list[str]:
        """Return the API versions that serve a kind."""
        group, name = kind
        return sorted(
            version
            for version, resources in self._all.items()
            if version.rpartition("/")[0] == group and name in (resources or ())
        )

    @cached_property
    def _groups(self) -> list[Manifest]:
        core = {"groupVersion": "v1"}
        groups = (self._client.read("/apis") or {}).get("groups")
        if groups is None:
            raise self._client.other_server()
        return [{"versions": [core], "preferredVersion": core}, *groups]

    @cached_property
    def _all(self) -> dict[str, dict[str, Resource] | None]:
        """The resources of every API version; None if they are unknown."""
        named = [entry["groupVersion"] for group in self._groups for entry in group["versions"]]
        return dict(zip(named, in_parallel(self._read_if_up, named), strict=True))

    def _read_if_up(self, api_version: str) -> dict[str, Resource] | None:
        try:
            return self._resources(api_version)
        except StatusError as error:
            if error.http_status in (401, 429):
                raise
            return None

    def _read(self, api_version: str) -> dict[str, Resource]:
        """Return the resources of an API version by kind; none if the server does not have it."""
        content = self._client.read(_root(api_version)) or {}
        found: dict[str, Resource] = {}
        for entry in content.get("resources") or ():
            kind, name = entry["kind"], entry["name"]
            if "/" not in name:  # no subresource
                resource = Resource(api_version, kind, name, entry["namespaced"], entry["verbs"])
                found.setdefault(kind, resource)
        return found
