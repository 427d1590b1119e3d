"""The dynamic client of the kubernetes package, with timeouts and readable errors."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property, partial
from http.client import responses
from typing import Any, TypeVar

from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic import resource as dynamic
from urllib3.exceptions import HTTPError, MaxRetryError

from constructs_lib.manifests.objects import Kind
from constructs_lib.model import Manifest
from ops.cluster.kubeconfig import connect
from ops.errors import ClusterError, StatusError, UnreachableError

In = TypeVar("In")
Out = TypeVar("Out")

_JSON = "application/json"
_SECONDS = (5, 30)
"""The connect timeout, and the read timeout between two bytes."""
_AT_ONCE = 8
"""Parallel requests, far below the API server's own limit for one client."""
_HANDSHAKE = re.compile(r"Handshake status (401|403)")
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


class Resource(dynamic.Resource):
    """A kind in one version of its API group. Its methods get, create, patch, ... send requests."""

    def __init__(self, client: Any, api_version: str, discovered: Manifest) -> None:
        """Create it from an entry of the discovery of an API version."""
        group, _, version = api_version.rpartition("/")
        fields = {field: discovered[field] for field in ("kind", "name", "namespaced", "verbs")}
        prefix = "apis" if group else "api"
        untyped: Any = super()
        untyped.__init__(prefix, group, version, client=client, **fields)

    def path(self, name: str | None = None, namespace: str | None = None) -> str:
        """Return the URL path of an object, or of the collection without a name."""
        untyped: Any = super()
        return str(untyped.path(name, namespace))


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


class Client(DynamicClient):
    """One API server, in one context of the kubeconfig. Objects are plain dicts."""

    def __init__(self, context: str | None = None) -> None:
        self.context, api = connect(context)
        untyped: Any = super()
        untyped.__init__(api, discoverer=Discovery)

    @property
    def resources(self) -> Discovery:
        found: Discovery = super().resources
        return found

    def request(self, method: str, path: str, body: Any = None, **params: Any) -> Manifest:
        """Return the response. Raises StatusError if the request is refused.

        DynamicClient and its resources send every request with this method.
        """
        response = self.exchange(method, path, body=body, **params)
        if not response.accepted:
            raise self._refusal(response.status, response.message, f"{method.upper()} {path}")
        return response.content

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        accept: str = _JSON,
        **params: Any,
    ) -> Response:
        """Return any response. Raises StatusError for rejected credentials and for throttling.

        `params` are those of DynamicClient.request, such as `body` and `content_type`.
        """
        params |= {"query_params": [*(query or {}).items()], "header_params": {"Accept": accept}}
        with self._translated_errors():
            answer = self._send(method, path, _request_timeout=_SECONDS, **params)
            content = _json_object(answer.body if isinstance(answer, ApiException) else answer.data)
        if content is None and (answer.status < 300 or _is_html(answer)):
            raise self.other_server()
        sent = answer.headers.getlist("Warning")
        warnings = (found[1].replace('\\"', '"') for one in sent if (found := _WARNING.match(one)))
        response = Response(answer.status, content or {}, tuple(warnings))
        if response.status in (401, 429):
            raise self._refusal(response.status, response.message)
        return response

    def resource(self, api_version: str, kind: str) -> Resource:
        """Return the resource of a kind, if necessary in the server's preferred version.

        Raises ClusterError if the server does not serve the kind.
        """
        group = api_version.rpartition("/")[0]
        served = self.resources
        found = served.get(api_version, kind) or served.preferred.get((group, kind))
        if not found:
            raise ClusterError(f"the cluster lacks {kind} of {group}; install it first")
        return found

    def find(self, resource: Resource, name: str, namespace: str = "") -> Manifest | None:
        """Return an object; None if it does not exist."""
        return self.read(resource.path(name, namespace))

    def read(self, path: str) -> Manifest | None:
        """Return the response for a path; None for status 404."""
        try:
            return self.request("GET", path)
        except StatusError as error:
            if error.http_status == 404:
                return None
            raise

    def other_server(self) -> ClusterError:
        """Return the error for a server that responds unlike an API server."""
        return ClusterError(
            f"the server at {self._address} is not a Kubernetes API server; "
            "check proxy and VPN, or choose another context with --context"
        )

    def log(self, namespace: str, pod: str) -> Iterator[str]:
        """Stream the log of a single-container pod until the container ends, without a timeout."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        rest = b""
        with self._translated_errors():
            answer = self._send("GET", path, query_params=[("follow", "true")])
            if isinstance(answer, ApiException):
                message = str((_json_object(answer.body) or {}).get("message", ""))
                raise self._refusal(answer.status, message, f"GET {path}")
            for chunk in answer.stream(decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in lines)
        if rest:
            yield rest.decode("utf-8", "replace")

    @contextmanager
    def forwarded(self, namespace: str, pod: str, port: int) -> Iterator[socket.socket]:
        """Open a connection to a pod, bypassing Services, load balancers and NetworkPolicies."""
        from kubernetes.client import CoreV1Api  # takes as long to import as all the rest
        from kubernetes.stream import portforward

        api: Any = CoreV1Api(self.client)
        open_port: Any = partial(portforward, api.connect_get_namespaced_pod_portforward)
        with self._translated_errors():
            forward = open_port(pod, namespace, ports=str(port))
        try:
            yield forward.socket(port)
        finally:
            forward.close()

    def _send(self, method: str, path: str, **params: Any) -> Any:
        """Return the response of urllib3, or the ApiException for a status that is not 2xx."""
        send: Any = super().request
        try:
            return send(method, path, serialize=False, **params)
        except ApiException as error:
            if not error.status:  # TLS
                raise
            return error

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn connection errors into ClusterErrors."""
        try:
            yield
        except (HTTPError, OSError, ApiException) as error:  # the last for TLS and WebSockets
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
        return re.sub(r"//[^/]*@", "//", str(self.configuration.host))

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


def _is_html(answer: Any) -> bool:
    """Whether a proxy or a login page responded: API servers send JSON, or plain text."""
    return "html" in str(answer.headers.get("Content-Type"))


def _json_object(text: str | bytes | None) -> Manifest | None:
    try:
        content = json.loads(text or "")
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def in_parallel(ask: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
    """Call `ask` for all items in parallel. The first error cancels the rest."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            return list(pool.map(ask, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class Discovery:
    """The discoverer of a DynamicClient: the resources that the API server serves.

    Those of the library ask for one API version at a time, keep a cache in the folder for temporary
    files, and do not show which API versions cannot be read.
    """

    def __init__(self, client: Any, cache_file: str | None = None) -> None:
        del cache_file
        self._client = client
        self._resources = cache(self._read)

    def get(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource of a kind, if it is served. Asks only for this API version."""
        return self._resources(api_version).get(kind)

    @cached_property
    def preferred(self) -> Mapping[Kind, Resource]:
        """Every resource in the server's preferred version, by group and kind."""
        preferred = [group["preferredVersion"]["groupVersion"] for group in self._groups]
        return {
            (one.group, kind): one
            for version, resources in self._all.items()
            if version in preferred
            for kind, one in (resources or {}).items()
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
        versions = [one["groupVersion"] for group in self._groups for one in group["versions"]]
        return dict(zip(versions, in_parallel(self._read_if_up, versions), strict=True))

    def _read_if_up(self, api_version: str) -> dict[str, Resource] | None:
        try:
            return self._resources(api_version)
        except StatusError as error:
            if error.http_status in (401, 429):
                raise
            return None

    def _read(self, api_version: str) -> dict[str, Resource]:
        """Return the resources of an API version by kind; none if the server does not have it."""
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        content = self._client.read(root) or {}
        found: dict[str, Resource] = {}
        for entry in content.get("resources") or ():
            if "/" not in entry["name"]:
                found.setdefault(entry["kind"], Resource(self._client, api_version, entry))
        return found
