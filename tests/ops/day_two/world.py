"""The platform in an AWS account and a cluster, with controllers: External Secrets, Deployments."""

from base64 import b64encode
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from catalogue.parameters import Parameters
from tests.ops.day_two.api_server import ApiServer, Object, path_of

READS_TO_SETTLE = 2
"""Reads of a Deployment until its restart is done."""


@dataclass(frozen=True)
class Account:
    """The parameters in an AWS account."""

    ssm: Any

    def put(self, parameter: Parameters, value: str, **options: Any) -> int:
        """Write a value as another user; return its version."""
        settings = {"Type": "SecureString", "Overwrite": True, **options}
        written = self.ssm.put_parameter(Name=parameter.path, Value=value, **settings)
        return int(written["Version"])

    def value(self, parameter: Parameters) -> str:
        return self.values()[parameter.path]

    def version(self, parameter: Parameters) -> int:
        return int(self.ssm.get_parameter(Name=parameter.path)["Parameter"]["Version"])

    def values(self) -> dict[str, str]:
        """The value of every parameter, by path."""
        pages = self.ssm.get_paginator("get_parameters_by_path")
        return {
            known["Name"]: known["Value"]
            for page in pages.paginate(Path="/cerebro", Recursive=True, WithDecryption=True)
            for known in page["Parameters"]
        }


class World:
    """Every object of dist/ that the commands read, as synced."""

    def __init__(self, api: ApiServer, objects: Iterable[Object], account: Account) -> None:
        self.api = api
        self.account = account
        """The parameters that External Secrets reads."""
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.restarts: list[str] = []
        """The restarted Deployments, in order."""
        self.most_at_once: dict[str, int] = {}
        """For each, how many Deployments were restarting at that time."""
        self.broken: set[str] = set()
        """Deployments with new pods that do not start."""
        self.stopped = False
        """Whether External Secrets is stopped."""
        self.reloader = False
        """Whether web services restart when a Secret changes."""
        self._settling: dict[str, int] = {}
        for item in objects:
            if item["kind"] in ("Namespace", "ExternalSecret", "Deployment", "CronJob", "Ingress"):
                self._add(deepcopy(item))
        self.sync_all()
        for path in self._paths("Deployment"):
            self._finish(path)
        api.on_change, api.on_read = self._changed, self._read

    path = staticmethod(path_of)

    def object(self, kind: str, namespace: str, name: str) -> Object:
        return self.api.objects[path_of(kind, namespace, name)]

    def pods(self) -> dict[str, str]:
        """Return the workload of each pod, by pod name."""
        return {
            item["metadata"]["name"]: item["metadata"]["labels"]["app"]
            for path, item in self.api.objects.items()
            if "/pods/" in path
        }

    def sync_all(self) -> None:
        """Sync like External Secrets, which does so every hour."""
        values = self.account.values()
        for path in self._paths("ExternalSecret"):
            self._sync(path, values)

    def restart(self, namespace: str, name: str) -> None:
        """Restart a Deployment by hand."""
        path = path_of("Deployment", namespace, name)
        self.api.objects[path]["metadata"]["generation"] += 1
        self._finish(path)

    def tick(self) -> str:
        """Advance the clock by ten seconds."""
        self.now += timedelta(seconds=10)
        return self.now.isoformat().replace("+00:00", "Z")

    def _add(self, item: Object) -> None:
        metadata = item["metadata"]
        metadata |= {"creationTimestamp": self.tick(), "generation": 1, "uid": metadata["name"]}
        path = path_of(item["kind"], metadata.get("namespace", ""), metadata["name"])
        self.api.objects[path] = item

    def _paths(self, kind: str) -> list[str]:
        return [path for path, item in self.api.objects.items() if item.get("kind") == kind]

    def _changed(self, path: str) -> None:
        metadata = self.api.objects[path]["metadata"]
        if "/externalsecrets/" in path and not self.stopped:
            self._sync(path, self.account.values())
            if self.reloader:
                self.restart(metadata["namespace"], "cerebro-api")
        elif "/deployments/" in path:
            metadata["generation"] += 1
            self._settling[path] = READS_TO_SETTLE
            self.restarts.append(metadata["name"])
            self.most_at_once[metadata["name"]] = len(self._settling)

    def _read(self, path: str) -> None:
        if path in self._settling:
            self._settling[path] -= 1
            if self._settling[path] == 0 or path.rpartition("/")[2] in self.broken:
                del self._settling[path]
                self._finish(path)

    def _sync(self, path: str, values: dict[str, str]) -> None:
        """Sync like External Secrets."""
        item = self.api.objects[path]
        metadata, target = item["metadata"], item["spec"]["target"]
        prefix = "." if "template" in target else ""
        data = {
            f"{prefix}{one['secretKey']}": b64encode(
                values[one["remoteRef"]["key"]].encode()
            ).decode()
            for one in item["spec"]["data"]
        }
        place = path_of("Secret", metadata["namespace"], target["name"])
        if self.api.objects.get(place, {}).get("data") != data:
            written = {"time": self.tick(), "fieldsV1": {"f:data": {}}}
            about = {"creationTimestamp": self.tick(), "managedFields": [written]}
            self.api.objects[place] = {"metadata": about, "data": data}
        ready = {"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "synced"}
        item["status"] = {"conditions": [ready]}

    def _finish(self, path: str) -> None:
        """Act like the Deployment controller and the kubelet."""
        item = self.api.objects[path]
        metadata, wanted, template = (
            item["metadata"],
            item["spec"]["replicas"],
            item["spec"]["template"],
        )
        name, pods = metadata["name"], path_of("Pod", metadata["namespace"], "")
        broken = name in self.broken
        if not broken:
            for old in [place for place in self.api.objects if place.startswith(f"{pods}{name}-")]:
                if self.api.objects[old]["metadata"]["labels"] == template["metadata"]["labels"]:
                    del self.api.objects[old]
        for number in range(wanted):
            pod = f"{name}-{metadata['generation']}-{number}"
            self.api.objects[f"{pods}{pod}"] = self._pod(pod, template, broken=broken)
        item["status"] = {
            "observedGeneration": metadata["generation"],
            "replicas": wanted,
            "updatedReplicas": wanted,
            "availableReplicas": 0 if broken else wanted,
        }

    def _pod(self, name: str, template: Object, *, broken: bool) -> Object:
        labels, containers = template["metadata"]["labels"], template["spec"]["containers"]
        metadata = {"name": name, "labels": labels, "creationTimestamp": self.tick()}
        started = {"running": {"startedAt": self.tick()}}
        state = {"waiting": {"reason": "CrashLoopBackOff"}} if broken else started
        return {
            "metadata": metadata,
            "spec": {"containers": containers},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "False" if broken else "True"}],
                "containerStatuses": [{"state": state} for _ in containers],
            },
        }
