"""Takes over the platform of the deployment page by the steps in docs/takeover.md."""

import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml

from charts.output import read as read_files
from constructs_lib.manifests.objects import Objects
from constructs_lib.model import Manifest
from local_cluster.argocd import ArgoCd
from local_cluster.control_plane import PAGE
from local_cluster.kubernetes import Cluster
from local_cluster.processes import eventually
from ops.cluster import Cluster as Operators
from ops.review.live.dry_run import dry_runs, normalized
from ops.review.live.reading import Server, read_cluster
from ops.review.load import of_cluster, read
from ops.review.revisions import Repository
from tests.conftest import ROOT, edit, parse
from tests.e2e.conftest import Claimed
from tests.e2e.installed import NAMESPACES, Identity
from tests.e2e.sampling import Samples, repeating, sampled
from tests.e2e.test_local_cluster import READY, running
from tests.e2e.test_review_cluster import differences, findings, texts

GUIDE = ROOT / "docs" / "takeover.md"
_STEP = re.compile(r"^## (?:(\d)\. )?.*?$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_OF_MAKE = re.compile(r"ARGS$|MFLAGS$|MAKE")
UNFINISHED = re.compile(r"ops (checklist|secrets status)")
"""Commands that exit with status 1 while values, DNS records and controllers are missing."""
KINDS = ("ConfigMap", "CronJob", "Deployment", "ExternalSecret", "Ingress", "NetworkPolicy",
         "PodDisruptionBudget", "Service", "ServiceAccount")  # fmt: skip
API, SECRET = ("cerebro-api", "cerebro"), ("cerebro-api-secrets", "cerebro")
KEYS = {"API_KEYS", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_URL", "CLICKHOUSE_USER"}


def steps() -> dict[str, list[str]]:
    """The commands of each step of the guide; the key "" is the part after the steps."""
    text = GUIDE.read_text("utf-8")
    return {
        number: [line for block in _BLOCK.findall(body) for line in block.splitlines()]
        for number, body in _STEP.findall(text)
    }


@dataclass(frozen=True)
class Rehearsal:
    """A cluster that was set up by hand, and a checkout."""

    checkout: Path
    environment: dict[str, str]
    cluster: Cluster

    def run(self, line: str) -> str:
        """Run a command in a terminal, and confirm all questions."""
        ended: Any = pexpect.run(
            shlex.join(("bash", "-c", line)),
            events={r"\[y/N\]: |\(y/n\)": "y\n"},
            withexitstatus=True,
            cwd=str(self.checkout),
            env=self.environment,
            encoding="utf-8",
            timeout=180,
            dimensions=(50, 200),
        )
        output, status = ended
        allowed = (0, 1) if UNFINISHED.search(line) else (0,)
        assert status in allowed, f"{line}: {status}\n{output}"
        return str(output)

    def step(self, *numbers: str) -> str:
        """Run all commands of these steps."""
        return "".join(self.run(line) for number in numbers for line in steps()[number])

    def review(self) -> dict[str, Any]:
        """The report on a sync of the checkout."""
        command = (sys.executable, "-m", "ops", "review", "--cluster", "--format", "json")
        printed = subprocess.check_output(command, cwd=self.checkout, env=self.environment)
        report: dict[str, Any] = json.loads(printed)
        return report

    def state(self) -> dict[Identity, Manifest]:
        """The objects in both namespaces, without status and defaults."""
        return {
            (kind, namespace, item["metadata"]["name"]): normalized(item)
            for namespace in NAMESPACES
            for kind in KINDS
            for item in self.cluster.list(kind, namespace)
        }

    def predicted(self) -> dict[Identity, Manifest]:
        """The objects after a sync that `ops review --cluster` predicts, in both namespaces."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", self.environment["KUBECONFIG"])
            patch.chdir(self.checkout)
            declared = Objects(of_cluster(read(Repository(self.checkout).working_tree())))
            server = Server(Operators(None))
            runs = dry_runs(server, read_cluster(server, declared))
        return {
            (run.declared.kind, run.declared.namespace, run.declared.name): run.after
            for run in runs
            if run.declared.kind in KINDS and run.after
        }

    def ready(self) -> int:
        """The ready pods of cerebro-api."""
        deployment = self.cluster.get("Deployment", *API) or {}
        return int(deployment.get("status", {}).get("readyReplicas", 0))

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a file in dist/; it is committed within a second."""
        edit(self.checkout / "dist" / file, old, new)

    def sampled(self) -> AbstractContextManager[Samples]:
        """Sample cerebro-api during a block."""
        return sampled(self.cluster, "cerebro", app="cerebro-api", service="cerebro-api")


@pytest.fixture(scope="module")
def rehearsal(checkout: Path) -> Iterator[Rehearsal]:
    """A cluster set up as on the deployment page, and a checkout of this repository."""
    with running(checkout, checkout.with_name("by-hand"), "--taken-over", "--every=1") as cluster:
        cluster.wait_for(READY)
        folders = (Path(sys.executable).parent, ".venv/bin", "node_modules/.bin")
        # without the variables of the make that runs the tests
        outer = {k: v for k, v in cluster.environment().items() if not _OF_MAKE.match(k)}
        environment = {
            **outer,
            "PATH": ":".join([*(str(checkout / folder) for folder in folders), outer["PATH"]]),
            "PYTHONPATH": str(checkout),
        }
        yield Rehearsal(checkout, environment, Cluster(Path(environment["KUBECONFIG"])))
        assert cluster.interrupt() == 0
        assert cluster.left == []


def test_obstacles_are_reported_before_the_takeover(rehearsal: Rehearsal, claim: Claimed) -> None:
    cluster = rehearsal.cluster
    file = rehearsal.checkout / "dist/crawlers/ip-crawler.k8s.yaml"
    text = file.read_text("utf-8")
    volume = next(obj for obj in yaml.safe_load_all(text) if obj["kind"] == "PersistentVolumeClaim")
    page = (PAGE / "deployment.yaml").read_text("utf-8")

    def recreate(manifest: str) -> None:
        """Replace the Deployment of the page."""
        cluster.kubectl("delete", "--filename=-", stdin=page)
        cluster.kubectl("apply", "--filename=-", stdin=manifest)

    with claim("A takeover: obstacles are reported first, each with a remedy"):
        of_another_class = {**volume, "spec": {**volume["spec"], "storageClassName": "gp2"}}
        cluster.apply(of_another_class)
        recreate(page.replace("app:", "run:"))
        scheme = {"alb.ingress.kubernetes.io/scheme": "internal"}
        cluster.patch("Ingress", *API, {"metadata": {"annotations": scheme}})
        cluster.patch("Secret", *SECRET, {"stringData": {"EXTRA": "more"}})
        size = f"storage: {volume['spec']['resources']['requests']['storage']}\n"
        edit(file, size, f"{size}  storageClassName: gp3\n")
        report = rehearsal.review()
        for key, sentence in {
            "Deployment cerebro/cerebro-api": "spec.selector: field is immutable; delete it first",
            "Ingress cerebro/cerebro-api": "recreates the load balancer as internet-facing",
            f"PersistentVolumeClaim crawlers/{volume['metadata']['name']}": "deleting it loses",
            "Secret cerebro/cerebro-api-secrets": "it loses EXTRA: add them",
            "Namespace cerebro": "the sync replaces pods of dist/; correct or remove",
        }.items():
            reported = texts(report, key)
            assert any(sentence in finding for finding in reported), (key, reported)
    file.write_text(text, "utf-8")
    cluster.patch("Secret", *SECRET, {"data": {"EXTRA": None}})
    cluster.delete("PersistentVolumeClaim", volume["metadata"]["name"], "crawlers")
    recreate(page)
    cluster.kubectl("apply", f"--filename={PAGE}")
    eventually("both pods ready", lambda: rehearsal.ready() == 2)


def test_the_review_reports_every_change(rehearsal: Rehearsal, claim: Claimed) -> None:
    with claim("A takeover: `ops review --cluster` reports every change by class") as measured:
        report = rehearsal.review()
        found = findings(report)
        measured(f"{len(found)} findings: {dict(Counter(name for _, name, _ in found))}")
        api = "Deployment cerebro/cerebro-api"
        assert {
            ("high", "downtime", "Namespace cerebro"),
            ("medium", "exposure", "Ingress cerebro/cerebro-api"),
            ("low", "restart", api),
            ("low", "privilege", api),
            ("medium", "secret", "Secret cerebro/cerebro-api-secrets"),
            ("medium", "secret", "ExternalSecret cerebro/cerebro-api-secrets"),
            ("medium", "schedule", "CronJob crawlers/click-runner-ember"),
            ("low", "create", "NetworkPolicy cerebro/cerebro-api"),
            ("low", "capacity", "Namespace cerebro"),
        } <= found
        assert not [finding for finding in found if finding[1] in ("unknown", "delete", "replace")]
        assert differences(report, "Service cerebro/cerebro-api")["spec.ports[8000].name"] == (
            None,
            "http",
        )


def test_the_steps_of_the_guide(rehearsal: Rehearsal, claim: Claimed) -> None:
    cluster = rehearsal.cluster
    keys: list[set[str]] = []

    def look() -> None:
        secret = cluster.get("Secret", *SECRET) or {}
        keys.append(set(secret.get("data") or ()))

    with (
        claim("A takeover by the steps in docs/takeover.md: no outage, no lost keys") as measured,
        repeating(look, 0.1),
        rehearsal.sampled() as samples,
    ):
        rehearsal.step("1", "2")
        every_minute = {"spec": {"schedule": "* * * * *"}}
        cluster.patch("CronJob", "click-runner-ember", "crawlers", every_minute)
        old, new = "schedule: 0 2 * * *", "schedule: '* * * * *'"
        rehearsal.edit("crawlers/click-runner.k8s.yaml", old, new)
        before, predicted = rehearsal.state(), rehearsal.predicted()
        rehearsal.step("3")
        undo(rehearsal, before)
        rehearsal.step("3", "4", "5", "6", "7")
        eventually("every Application Synced and Healthy", lambda: all_synced(rehearsal), 120)
        assert "No change between the cluster of context local and" in rehearsal.step("")
        state = rehearsal.state()
        for item in state.values():  # the guide adds this annotation by hand
            annotations = item["metadata"].get("annotations", {})
            if annotations.pop("force-sync", None) and not annotations:
                del item["metadata"]["annotations"]
        assert {key: state.get(key) for key in predicted} == predicted
        assert samples.fewest_ready >= 2, samples
        assert all(read >= KEYS for read in keys)
        reads = f"{len(keys)} reads of the Secret"
        measured(f"{samples}; {reads}; {len(predicted)} objects as predicted by the review")
    with claim("A takeover: CronJobs never run twice in a minute") as measured:
        minutes = Counter(
            job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
            for job in cluster.list("Job", "crawlers")
            if "ember" in job["metadata"]["name"]
        )
        assert minutes
        assert set(minutes.values()) == {1}, minutes
        measured(f"{len(minutes)} runs")


def undo(rehearsal: Rehearsal, before: dict[Identity, Manifest]) -> None:
    """Undo a partial takeover, and check that the original state is restored."""
    assert rehearsal.state() != before
    rehearsal.run("python -m ops takeover undo cerebro-api")
    eventually("as before", lambda: rehearsal.state() == before)
    assert rehearsal.ready() >= 2
    (rehearsal.checkout / "saved-cerebro-api.yaml").unlink()


def all_synced(rehearsal: Rehearsal) -> bool:
    applications = ArgoCd(rehearsal.cluster).applications()
    files = read_files(rehearsal.checkout / "dist" / "argocd")
    assert applications.keys() == {
        obj["metadata"]["name"] for obj in parse(files) if obj["kind"] == "Application"
    }
    states = {(application.sync, application.health) for application in applications.values()}
    assert states == {("Synced", "Healthy")}, "; ".join(map(str, applications.values()))
    return True


def test_a_failed_release_keeps_the_old_pods(rehearsal: Rehearsal, claim: Claimed) -> None:
    def pending() -> bool:
        pods = rehearsal.cluster.list("Pod", "cerebro", "app=cerebro-api")
        return any(pod["status"]["phase"] == "Pending" for pod in pods)

    with claim("A failed release keeps the old pods running"):
        old, new = "kubernetes.io/arch: arm64", "kubernetes.io/arch: s390x"
        rehearsal.edit("cerebro/cerebro-api.k8s.yaml", old, new)
        with rehearsal.sampled() as samples:
            eventually("a pod that cannot be scheduled", pending)
        assert samples.fewest_ready == 2, samples
        rehearsal.edit("cerebro/cerebro-api.k8s.yaml", new, old)
        eventually("no pending pods", lambda: not pending())


def test_every_step_of_the_guide_has_commands() -> None:
    assert list(steps()) == ["1", "2", "3", "4", "5", "6", "7", ""]
    assert all(steps().values())
