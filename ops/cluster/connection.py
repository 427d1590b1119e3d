"""JSON to and from an API server, and plain sentences for what it refuses."""

from __future__ import annotations

import json
import logging
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
"""A Kubernetes object as its JSON states it."""

FIELD_MANAGER = "gnosis-analytics-ops"
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_SECONDS = (5, 30)
"""To connect, and between two bytes of an answer."""
_HANDSHAKE = re.compile(r"Handshake status (401|403)")
_CLUSTER_NAME = re.compile(r":cluster/([\w-]+)$")
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Answer:
    """What an API server answers, be it yes or no."""

    status: int
    content: Object
    """The object, or the `Status` that says why not."""
    warnings: tuple[str, ...] = ()
    """What it warns of all the same."""

    @property
    def accepted(self) -> bool:
        """Whether it did, or would do, what was asked."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """Why it refuses."""
        return str(self.content.get("message", ""))


class ClusterError(OpsError):
    """The cluster cannot be asked, or refuses."""


class UnreachableError(ClusterError):
    """The cluster gave no answer, so what was asked for may have been done or not."""


class ConflictError(ClusterError):
    """There is an object of that name already."""


class Connection:
    """One API server, under one context of the kubeconfig."""

    def __init__(self, context: str | None = None) -> None:
        """Raises ClusterError for a kubeconfig that is missing, broken, or of another cluster.

        `context` is one of the kubeconfig, by default its current one.
        """
        # it takes a second to import, and most commands do not need it
        from kubernetes.client import Configuration
        from kubernetes.config import new_client_from_config

        connect: Any = new_client_from_config
        chosen = _context(context)
        self.context = str(chosen["name"])
        configuration: Any = Configuration()
        configuration.keep_alive = True  # a log may be silent for hours
        configuration.retries = Retry(3, read=1)
        options = {"context": self.context, "client_configuration": configuration}
        with _logged() as said:
            try:
                self.client: Any = connect(config_file=_kubeconfig(), **options)
            except Exception as error:  # the library raises whatever a broken file leads to
                raise ClusterError(
                    f"the kubeconfig's context {self.context} cannot be used: {error}"
                ) from error
        if said:  # its credential command failed, of which the library only logs
            raise ClusterError(
                f"the credentials of context {self.context} cannot be had: {said[-1]}; log in again"
            )
        self._check_cluster(chosen)

    def get(self, path: str, **query: str) -> Object | None:
        """The object or answer there; None if there is none."""
        answer = self._ask("GET", path, query=query, missing=True)
        return self._object(answer) if answer else None

    def items(self, path: str, **query: str) -> list[Object]:
        """The objects of a collection; none where the cluster serves no such kind."""
        found = self.get(path, **query) or {}
        objects: list[Object] = found.get("items") or []
        return objects

    def create(self, path: str, body: Object) -> Object:
        """Add an object to a collection."""
        query = {"fieldManager": FIELD_MANAGER}
        return self._object(self._ask("POST", path, query=query, body=body))

    def merge(self, path: str, body: Object) -> Object:
        """Change what `body` states of an object, and nothing else."""
        query = {"fieldManager": FIELD_MANAGER}
        answer = self._ask("PATCH", path, query=query, body=body, content_type=_MERGE_PATCH)
        return self._object(answer)

    def exchange(self, method: str, path: str, **options: Any) -> Answer:
        """What is answered, a refusal too. Credentials that are not accepted are a ClusterError.

        options: `query` and `body`, and as media types `content_type` and `accept`.
        """
        with self.explained():
            answer = self._send(method, path, **options)
            said = answer.headers.getlist("Warning")
        if answer.status in (401, 429):
            raise ClusterError(self._refusal(answer, method, path))
        warnings = (found[1].replace('\\"', '"') for one in said if (found := _WARNING.match(one)))
        return Answer(answer.status, self._object(answer), tuple(warnings))

    def lines(self, path: str, **query: str) -> Iterator[str]:
        """An answer that comes line by line, for as long as it takes."""
        answer = self._ask("GET", path, query=query, endless=True)
        rest = b""
        with self.explained():
            for chunk in answer.response.stream(decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in lines)
        if rest:
            yield rest.decode("utf-8", "replace")

    def _ask(self, method: str, path: str, *, missing: bool = False, **options: Any) -> Any:
        """The answer; None for 404 where `missing` allows that."""
        with self.explained():
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
    def explained(self) -> Iterator[None]:
        """What keeps the API server from answering is a ClusterError."""
        from kubernetes.client import ApiException  # of TLS, and of WebSockets

        try:
            yield
        except (HTTPError, OSError, ApiException) as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # so does the library hide it
                raise KeyboardInterrupt from error
            refused = _HANDSHAKE.search(str(getattr(error, "reason", "")))
            if refused:
                raise ClusterError(self._denied(int(refused[1]), "")) from error
            cause = error.reason if isinstance(error, MaxRetryError) else error
            raise UnreachableError(
                f"the cluster of context {self.context} cannot be reached at "
                f"{self.client.configuration.host} ({type(cause).__name__}); check network and "
                "VPN, or choose another with --context"
            ) from error

    def _object(self, answer: Any) -> Object:
        with self.explained():
            text = answer.read()
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ClusterError(
                f"what answers at {self.client.configuration.host} is no API server of Kubernetes; "
                "check proxy and VPN, or choose another with --context"
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
            return "the cluster takes no more requests for the moment; try again in a minute"
        return f"the cluster refuses {method} {path}: {message or answer.reason}"

    def _denied(self, status: int, message: str) -> str:
        if status == 401 or "system:anonymous" in message:
            return (
                f"the cluster does not accept the credentials of context {self.context}; log in "
                "again, or choose another with --context"
            )
        return f"context {self.context} lacks a permission in the cluster: {message}".rstrip(": ")

    def _check_cluster(self, chosen: Object) -> None:
        """Refuse a context that names another EKS cluster than the installation's."""
        wanted, named = INSTALLATION.cluster_name, _eks_cluster(chosen)
        if wanted and named and wanted != named:
            raise ClusterError(
                f"context {self.context} is of the cluster {named}, but the installation's is "
                f"{wanted}; choose another with --context"
            )


def _kubeconfig() -> str:
    return os.environ.get("KUBECONFIG", "~/.kube/config")


def _context(name: str | None) -> Object:
    """The context of the kubeconfig that is called so; None: the current one."""
    from kubernetes.config import ConfigException, list_kube_config_contexts

    read: Any = list_kube_config_contexts
    try:
        contexts, current = read(config_file=_kubeconfig())
    except (ConfigException, YAMLError, OSError, ValueError, TypeError) as error:
        if name:  # a kubeconfig without a current context cannot be listed, but used
            return {"name": name, "context": {}}
        raise ClusterError(
            f"no cluster is chosen in {_kubeconfig()} ({str(error).splitlines()[0]}); "
            "`aws eks update-kubeconfig --name <cluster>` does that, or name a context with "
            "--context"
        ) from error
    known: dict[str, Object] = {context["name"]: context for context in contexts}
    chosen = known.get(name) if name else current
    if not chosen:
        raise ClusterError(f"the kubeconfig has no context {name}; it has {', '.join(known)}")
    return dict(chosen)


def _eks_cluster(context: Object) -> str | None:
    """The EKS cluster that a context names, as `aws eks update-kubeconfig` writes it."""
    named = _CLUSTER_NAME.search(str(context["context"].get("cluster", "")))
    return named[1] if named else None


@contextmanager
def _logged() -> Iterator[list[str]]:
    """What is logged inside, which is then not printed."""
    said: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage().strip())

    collector = Collector(logging.ERROR)
    root = logging.getLogger()
    root.addHandler(collector)
    try:
        yield said
    finally:
        root.removeHandler(collector)
