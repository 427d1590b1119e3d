"""A JSON client for an API server, with readable errors."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from urllib3 import Retry
from urllib3.exceptions import HTTPError, MaxRetryError
from yaml import YAMLError

from catalogue.installation import INSTALLATION
from ops.errors import OpsError

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

FIELD_MANAGER = "gnosis-analytics-ops"
_JSON = "application/json"
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
_SECONDS = (5, 30)
"""The connect timeout, and the read timeout between two bytes."""
_HANDSHAKE = re.compile(r"Handshake status (401|403)")
_CLUSTER_NAME = re.compile(r":cluster/([\w-]+)$")
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Answer:
    """A response of the API server, successful or not."""

    status: int
    content: Object
    """The object, or the `Status` with the reason of the refusal."""
    warnings: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The reason of the refusal."""
        return str(self.content.get("message", ""))


class ClusterError(OpsError):
    """The cluster is unreachable or refuses a request."""


class UnreachableError(ClusterError):
    """The cluster did not respond, so it is unknown whether the request took effect."""


class ConflictError(ClusterError):
    """An object with this name already exists."""


class Connection:
    """One API server, in one context of the kubeconfig."""

    def __init__(self, context: str | None = None) -> None:
        """Raises ClusterError if the kubeconfig is missing, invalid, or of another cluster.

        Args:
            context: A context of the kubeconfig. Default: its current context.
        """
        # takes a second to import, and most commands do not need it
        from kubernetes.config import new_client_from_config

        from ops.cluster.credentials import Credentials, captured_errors, harmless, unusable

        connect: Any = new_client_from_config
        chosen = _context(context)
        self.context = str(chosen["name"])
        configuration: Any = Credentials(self.context)
        configuration.keep_alive = True  # a log may be silent for hours
        configuration.retries = Retry(3, read=1)
        options = {"context": self.context, "client_configuration": configuration}
        with captured_errors() as logged:
            try:
                self.client: Any = connect(config_file=_kubeconfig(), **options)
            except Exception as error:  # noqa: BLE001 the library raises any for an invalid file
                raise ClusterError(unusable(self.context, error)) from None
        if logged:  # the library only logs a failed credential plugin
            raise ClusterError(
                f"cannot get the credentials of context {self.context}: "
                f"{harmless(logged[-1], 'the output of the credential plugin is invalid')}; log in "
                f"again. `kubectl auth whoami --context {self.context}` shows the plugin's message"
            )
        self._check_cluster(chosen)

    def get(self, path: str, **query: str) -> Object | None:
        """Return the response for a path, or None for status 404."""
        answer = self._ask("GET", path, query=query, missing=True)
        return self._object(answer) if answer else None

    def items(self, path: str, **query: str) -> list[Object]:
        """Return the objects of a collection; empty if the cluster does not serve the kind."""
        found = self.get(path, **query) or {}
        objects: list[Object] = found.get("items") or []
        return objects

    def create(self, path: str, body: Object) -> Object:
        query = {"fieldManager": FIELD_MANAGER}
        return self._object(self._ask("POST", path, query=query, body=body))

    def merge(self, path: str, body: Object) -> Object:
        """Apply a JSON merge patch."""
        query = {"fieldManager": FIELD_MANAGER}
        answer = self._ask("PATCH", path, query=query, body=body, content_type=MERGE_PATCH)
        return self._object(answer)

    def exchange(self, method: str, path: str, **options: Any) -> Answer:
        """Return any response. Raises ClusterError for rejected credentials and for throttling.

        Options: `query` and `body`, and the media types `content_type` and `accept`.
        """
        with self.translate_errors():
            answer = self._send(method, path, **options)
            sent = answer.headers.getlist("Warning")
        if answer.status in (401, 429):
            raise ClusterError(self._refusal(answer, method, path))
        warnings = (found[1].replace('\\"', '"') for one in sent if (found := _WARNING.match(one)))
        return Answer(answer.status, self._object(answer), tuple(warnings))

    def lines(self, path: str, **query: str) -> Iterator[str]:
        """Stream the lines of a response, without a timeout."""
        answer = self._ask("GET", path, query=query, endless=True)
        rest = b""
        with self.translate_errors():
            for chunk in answer.response.stream(decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in lines)
        if rest:
            yield rest.decode("utf-8", "replace")

    def _ask(self, method: str, path: str, *, missing: bool = False, **options: Any) -> Any:
        """Return the response; None for status 404 if `missing` allows it."""
        with self.translate_errors():
            answer = self._send(method, path, **options)
            if answer.status == 404 and missing:
                return None
            if not 200 <= answer.status < 300:
                kind = ConflictError if answer.status == 409 else ClusterError
                raise kind(self._refusal(answer, method, path))
            return answer

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
        endless: bool = False,
    ) -> Any:
        request = self.client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": accept, "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        return self.client.call_api(*request, _request_timeout=None if endless else _SECONDS)

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn connection errors into ClusterErrors."""
        from kubernetes.client import ApiException  # for TLS and WebSockets

        try:
            yield
        except (HTTPError, OSError, ApiException) as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # the library wraps it
                raise KeyboardInterrupt from error
            refused = _HANDSHAKE.search(str(getattr(error, "reason", "")))
            if refused:
                raise ClusterError(self._denied(int(refused[1]), "")) from error
            cause = error.reason if isinstance(error, MaxRetryError) else error
            raise UnreachableError(
                f"the cluster of context {self.context} cannot be reached at "
                f"{self._address} ({type(cause).__name__}); check network and "
                "VPN, or choose another context with --context"
            ) from error

    @property
    def _address(self) -> str:
        """The address of the API server, without a password."""
        return re.sub(r"//[^/]*@", "//", str(self.client.configuration.host))

    def _object(self, answer: Any) -> Object:
        with self.translate_errors():
            text = answer.read()
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ClusterError(
                f"the server at {self._address} is not a Kubernetes API server; "
                "check proxy and VPN, or choose another context with --context"
            )
        return content

    def _refusal(self, answer: Any, method: str, path: str) -> str:
        try:
            message = str(json.loads(answer.read()).get("message", ""))
        except (ValueError, AttributeError):
            message = ""
        if answer.status in (401, 403):
            return self._denied(answer.status, message)
        if answer.status == 429:
            return "the cluster throttles requests; try again in a minute"
        return f"the cluster refuses {method} {path}: {message or answer.reason}"

    def _denied(self, status: int, message: str) -> str:
        if status == 401 or "system:anonymous" in message:
            return (
                f"the cluster does not accept the credentials of context {self.context}; log in "
                "again, or choose another context with --context"
            )
        return f"context {self.context} lacks a permission in the cluster: {message}".rstrip(": ")

    def _check_cluster(self, chosen: Object) -> None:
        """Raise ClusterError if the context names another EKS cluster than the installation."""
        wanted, named = INSTALLATION.cluster_name, _eks_cluster(chosen)
        if wanted and named and wanted != named:
            raise ClusterError(
                f"context {self.context} belongs to cluster {named}, but the installation uses "
                f"{wanted}; choose another context with --context"
            )


def _kubeconfig() -> str:
    return os.environ.get("KUBECONFIG", "~/.kube/config")


def _context(name: str | None) -> Object:
    """Return the context with this name, or the current one."""
    from kubernetes.config import ConfigException, list_kube_config_contexts

    from ops.cluster.credentials import harmless

    read: Any = list_kube_config_contexts
    try:
        contexts, current = read(config_file=_kubeconfig())
    except (ConfigException, YAMLError, OSError, ValueError, TypeError) as error:
        if name is not None:  # listing requires a current context, using one by name does not
            return {"name": name, "context": {}}
        raise ClusterError(
            f"cannot get the current context of {_kubeconfig()} "
            f"({harmless(error, 'it is not a valid kubeconfig')}); run `aws eks update-kubeconfig "
            "--name <cluster>`, or choose a context with --context"
        ) from None
    known: dict[str, Object] = {context["name"]: context for context in contexts}
    chosen = current if name is None else known.get(name)
    if not chosen:
        raise ClusterError(f"the kubeconfig has no context {name}; use one of: {', '.join(known)}")
    return dict(chosen)


def _eks_cluster(context: Object) -> str | None:
    """Return the EKS cluster of a context that `aws eks update-kubeconfig` wrote."""
    named = _CLUSTER_NAME.search(str(context["context"].get("cluster", "")))
    return named[1] if named else None
