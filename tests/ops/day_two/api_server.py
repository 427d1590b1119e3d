"""An API server for the commands, which stores objects by path."""

import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request

from constructs_lib.manifests.objects import is_cluster_scoped
from tests.serving import Answer, JsonHandler, serving

Object = dict[str, Any]
TOKEN = "a-token"  # noqa: S105 only for this server
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
    """The objects in the cluster, and callbacks for requests."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        """By path: `/api/v1/namespaces/cerebro/secrets/x`."""
        self.answers: dict[str, Answer] = {}
        """Responses by path, instead of the objects."""
        self.served: dict[str, Iterable[str]] = dict(SERVED)
        self.denied: set[tuple[str, str]] = set()
        """Verb and resource of each denied access review."""
        self.logs: dict[str, str] = {}
        """By pod."""
        self.forwards: dict[str, int] = {}
        """The loopback port of each pod."""
        self.changes: list[tuple[str, str, Object]] = []
        """Method, path and body of every change."""
        self.reads: list[str] = []
        self.on_read: Callable[[str], None] = lambda path: None
        self.on_change: Callable[[str], None] = lambda path: None
        self.authorizations: set[str | None] = set()

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

    def do_GET(self) -> None:  # noqa: N802 as http.server calls it
        state, url = self.server_state, urlsplit(self.path)
        path = unquote(url.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        state.authorizations.add(self.headers["Authorization"])
        if path.endswith("/portforward") and path not in state.answers:
            self._forward(path.split("/")[-2], int(query["ports"]))
            return
        state.reads.append(path)
        state.on_read(path)
        if path in state.answers:
            self.answer(*state.answers[path])
        elif discovered := state.discovery(path):
            self.answer(200, discovered)
        elif path.endswith("/log"):
            self.send(200, state.logs[path.split("/")[-2]].encode())
        elif path in state.objects:
            self.answer(200, state.objects[path])
        elif state.is_collection(path):
            self.answer(200, {"items": state.collection(path, query.get("labelSelector", ""))})
        else:
            self.answer(404, {"message": f"{path} not found"})

    def do_PATCH(self) -> None:  # noqa: N802 as http.server calls it
        state, path, body = self.server_state, urlsplit(self.path).path, self.body()
        state.changes.append(("PATCH", path, body))
        if path in state.answers:
            self.answer(*state.answers[path])
            return
        merge(state.objects[path], body)
        state.on_change(path)
        self.answer(200, state.objects[path])

    def do_POST(self) -> None:  # noqa: N802 as http.server calls it
        state, path, body = self.server_state, urlsplit(self.path).path, self.body()
        if path in state.answers:
            self.answer(*state.answers[path])
            return
        if path.endswith("/selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            denied = (asked["verb"], asked["resource"]) in state.denied
            self.answer(201, {"status": {"allowed": not denied}})
            return
        place = f"{path}/{body['metadata']['name']}"
        state.changes.append(("POST", place, body))
        if place in state.objects:
            self.answer(409, {"message": "already exists"})
            return
        state.objects[place] = body
        state.on_change(place)
        self.answer(201, body)

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
def running_api_server(kubeconfig: Path) -> Iterator[ApiServer]:
    """Run an empty server, and write a `kubeconfig` for it."""

    class Handler(_Handler):
        server_state = ApiServer()

    with serving(Handler) as address:
        write_kubeconfig(kubeconfig, address)
        yield Handler.server_state


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
