"""An API server for the commands and the review, which stores objects by path."""

import re
import socket
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonpatch
import yaml
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request

from constructs_lib.manifests.objects import is_cluster_scoped
from ops.cluster.client import Discovery, Response
from ops.errors import StatusError
from tests.serving import Answer, JsonHandler, serving

Object = dict[str, Any]
Fixed = Answer | tuple[int, Any, tuple[str, ...]]
"""Status, content, and optionally the warnings of a response."""
TOKEN = "a-token"  # noqa: S105 only for this server
_SENT = ("accept", "content_type")
_NAMESPACE = re.compile(r"/namespaces/[^/]+(?=/)")
SERVED = {
    "v1": ("Namespace", "Node", "Pod", "Secret", "Service"),
    "apps/v1": ("DaemonSet", "Deployment", "StatefulSet"),
    "argoproj.io/v1alpha1": ("Application",),
    "authorization.k8s.io/v1": ("SelfSubjectAccessReview",),
    "batch/v1": ("CronJob", "Job"),
    "external-secrets.io/v1beta1": ("ClusterSecretStore", "ExternalSecret"),
    "networking.k8s.aws/v1alpha1": ("PolicyEndpoint",),
    "networking.k8s.io/v1": ("Ingress",),
}
"""The kinds that the commands use, by API version."""


def path_of(kind: str, namespace: str, name: str) -> str:
    """The URL path of an object of one of these kinds."""
    version = next(version for version, kinds in SERVED.items() if kind in kinds)
    metadata = {"namespace": namespace, "name": name}
    return place({"apiVersion": version, "kind": kind, "metadata": metadata})


def place(item: Object) -> str:
    """The URL path of an object."""
    namespace = "" if is_cluster_scoped(item) else item["metadata"].get("namespace")
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{_root(item['apiVersion'])}{inside}/{_plural(item['kind'])}/{item['metadata']['name']}"


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _plural(kind: str) -> str:
    if kind.endswith("y"):
        return f"{kind.lower()[:-1]}ies"
    return f"{kind.lower()}{'es' if kind.endswith('s') else 's'}"


class ApiServer:
    """The objects in the cluster, and callbacks for requests. Replaces a Client, or runs over HTTP.

    It sets no defaults; an apply overwrites fields.
    """

    context = "test"

    def __init__(self, kinds: Iterable[Object] = (), stored: Iterable[Object] = ()) -> None:
        """Create a server.

        Args:
            kinds: Objects with the kinds to serve. Default: SERVED.
            stored: The objects in the cluster. Default: none.
        """
        self.objects: dict[str, Object] = {place(item): deepcopy(item) for item in stored}
        """By path: `/api/v1/namespaces/cerebro/secrets/x`."""
        self.answers: dict[str, Fixed] = {}
        """Fixed responses, by method and path: `GET /version`."""
        of_objects: dict[str, set[str]] = defaultdict(set, {"v1": {"Secret"}})
        for item in kinds:
            of_objects[item["apiVersion"]].add(item["kind"])
        self.served: dict[str, Iterable[str]] = dict(SERVED)
        if kinds:
            self.served = {version: sorted(of_objects[version]) for version in sorted(of_objects)}
        self.resources = Discovery(self)  # type: ignore[arg-type]
        self.denied: set[tuple[str, str]] = set()
        """Verb and resource of each denied access review."""
        self.logs: dict[str, str] = {}
        """By pod."""
        self.forwards: dict[str, int] = {}
        """The loopback port of each pod."""
        self.changed: list[str] = []
        """Method and path of every write that was not a dry run."""
        self.tried: list[str] = []
        """Paths of dry runs."""
        self.reads: list[str] = []
        self.whole: set[str] = set()
        """Paths of objects and lists that were read in full."""
        self.on_read: Callable[[str], None] = lambda path: None
        self.on_change: Callable[[str], None] = lambda path: None
        self.authorizations: set[str | None] = set()

    def exchange(self, method: str, path: str, **options: Any) -> Response:
        """Respond, with the options of a Client."""
        query, body = options.get("query") or {}, options.get("body") or {}
        content_type = options.get("content_type", "")
        if method == "GET":
            self.reads.append(path)
            self.on_read(path)
        if f"{method} {path}" in self.answers:
            return Response(*self.answers[f"{method} {path}"])
        if method == "GET":
            return self._read(path, query.get("labelSelector", ""), options.get("accept", ""))
        if path.endswith("/selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            denied = (asked["verb"], asked["resource"]) in self.denied
            return Response(201, {"status": {"allowed": not denied}})
        if query.get("dryRun") == "All":
            return self._try(path, body, content_type)
        return self._write(method, path, body)

    def read(self, path: str) -> Object | None:
        response = self.exchange("GET", path)
        if not response.accepted and response.status != 404:
            raise StatusError(f"the cluster refuses GET {path}", response.status)
        return response.content if response.accepted else None

    def _read(self, path: str, labels: str, accept: str) -> Response:
        if discovered := self.discovery(path):
            return Response(200, discovered)
        found = [self.objects[path]] if path in self.objects else self.collection(path, labels)
        if path not in self.objects and not self.is_collection(path):
            return Response(404, {"message": f"{path} not found"})
        if "as=Table" in accept:
            rows = [{"cells": [item["type"]], "object": {"metadata": item["metadata"]}}
                    for item in found]  # fmt: skip
            return Response(200, {"columnDefinitions": [{"name": "Type"}], "rows": rows})
        if "PartialObjectMetadata" in accept:
            found = [{"metadata": item["metadata"]} for item in found]
        else:
            self.whole.add(path)
        return Response(200, found[0] if path in self.objects else {"items": deepcopy(found)})

    def _write(self, method: str, path: str, body: Object) -> Response:
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
        self.changed.append(f"{method} {path}")
        if method == "POST" and path in self.objects:
            return Response(409, {"message": "already exists"})
        if method == "DELETE":
            return Response(200, self.objects.pop(path))
        if method == "PATCH":
            merge(self.objects.setdefault(path, {}), body)
        else:
            self.objects[path] = body
        self.on_change(path)
        return Response(201 if method == "POST" else 200, self.objects[path])

    def _try(self, path: str, body: Any, content_type: str) -> Response:
        self.tried.append(path)
        _, _, inside = path.partition("/namespaces/")
        namespace, _, named = inside.partition("/")
        if named and f"/api/v1/namespaces/{namespace}" not in self.objects:
            return Response(404, {"message": f'namespaces "{namespace}" not found'})
        item = deepcopy(self.objects.get(path, {}))
        if "json-patch" in content_type:
            jsonpatch.apply_patch(item, body, in_place=True)
        else:
            merge(item, body)
        return Response(200 if path in self.objects else 201, item)

    def discovery(self, path: str) -> Object | None:
        """Return the response for `/version`, for `/apis` and for an API version."""
        if path == "/version":
            return {"gitVersion": "v1.33.0"}
        if path == "/apis":
            groups = [{"groupVersion": one} for one in self.served if "/" in one]
            return {"groups": [{"versions": [one], "preferredVersion": one} for one in groups]}
        version = next((one for one in self.served if _root(one) == path), None)
        if not version:
            return None
        return {
            "resources": [
                {
                    "kind": kind,
                    "name": _plural(kind),
                    "namespaced": not is_cluster_scoped({"apiVersion": version, "kind": kind}),
                    "verbs": ["list"],
                }
                for kind in self.served[version]
            ]
        }

    def is_collection(self, path: str) -> bool:
        """Whether a path ends with the name of a kind."""
        kinds = (kind for kinds in self.served.values() for kind in kinds)
        return path.rpartition("/")[2] in map(_plural, kinds)

    def collection(self, path: str, labels: str = "") -> list[Object]:
        """Return the objects directly below a path, of all namespaces if it has none."""
        wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
        return [
            item
            for place, item in self.objects.items()
            if path in (parent := place.rpartition("/")[0], _NAMESPACE.sub("", parent))
            and wanted.items() <= item["metadata"].get("labels", {}).items()
        ]


class _Handler(JsonHandler):
    server_state: ClassVar[ApiServer]

    def _any(self) -> None:
        state, url, body = self.server_state, urlsplit(self.path), self.body()
        path, query = unquote(url.path), dict(parse_qsl(url.query))
        state.authorizations.add(self.headers["Authorization"])
        if path.endswith("/portforward") and f"GET {path}" not in state.answers:
            self._forward(path.split("/")[-2], int(query["ports"]))
        elif path.endswith("/log"):
            self.send(200, state.logs[path.split("/")[-2]].encode())
        else:
            sent = {name: self.headers[name.replace("_", "-")] or "" for name in _SENT}
            response = state.exchange(self.command, path, query=query, body=body, **sent)
            self.answer(response.status, response.content)

    do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 names of http.server

    def _forward(self, pod: str, port: int) -> None:
        """Pass one request and its response between the WebSocket and the pod's port."""
        socket_, web = self.connection, WSConnection(ConnectionType.SERVER)
        web.initiate_upgrade_connection(
            [(name.encode(), value.encode()) for name, value in self.headers.items()], self.path
        )
        assert isinstance(next(web.events()), Request)
        socket_.sendall(web.send(AcceptConnection(subprotocol="v4.channel.k8s.io")))
        for channel in (0, 1):
            number = bytes((channel, *port.to_bytes(2, "little")))
            socket_.sendall(web.send(BytesMessage(number)))
        request = b""
        while b"\r\n\r\n" not in request:
            web.receive_data(socket_.recv(4096))
            for event in web.events():
                assert isinstance(event, BytesMessage), event
                assert event.data[0] == 0
                request += event.data[1:]
        try:
            with socket.create_connection(("127.0.0.1", self.server_state.forwards[pod])) as behind:
                behind.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                while received := behind.recv(4096):
                    socket_.sendall(web.send(BytesMessage(b"\0" + received)))
        except ConnectionRefusedError:
            socket_.sendall(web.send(BytesMessage(b"\1connection refused")))
        socket_.sendall(web.send(CloseConnection(1000)))
        self.close_connection = True


def merge(item: Object, change: Object) -> None:
    """Merge `change` into `item`."""
    for name, value in change.items():
        if isinstance(value, dict):
            merge(item.setdefault(name, {}), value)
        else:
            item[name] = deepcopy(value)


@contextmanager
def over_http(server: ApiServer, kubeconfig: Path) -> Iterator[None]:
    """Run a server, and write a `kubeconfig` for it."""

    class Handler(_Handler):
        server_state = server

    with serving(Handler) as address:
        write_kubeconfig(kubeconfig, address)
        yield


def write_kubeconfig(file: Path, address: str, *, cluster: str = "test") -> None:
    """Write a kubeconfig with one context, `test`."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": cluster, "user": "test"}}],
        "clusters": [{"name": cluster, "cluster": {"server": address}}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
    }
    file.write_text(yaml.safe_dump(content), "utf-8")
