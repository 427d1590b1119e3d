"""Workloads that no one calls: a single writer, and jobs that run on a schedule or a release."""

import re
from collections.abc import Mapping

from constructs import Construct
from cronsim import CronSimError

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.pod import pod_template
from constructs_lib.kubernetes.program import Container, Options, Program
from constructs_lib.kubernetes.workload import RECREATE, ProgramConstruct
from constructs_lib.manifests.argocd import FINGERPRINT, WAVE, fingerprint
from constructs_lib.manifests.workload import DO_NOT_EVICT
from constructs_lib.model import Manifest, NotNegative, Port, Positive, Probe
from constructs_lib.model.checks import checked, props
from constructs_lib.model.names import CronJobName, MountPath, ObjectName
from constructs_lib.model.quantity import check_bytes
from constructs_lib.model.schedule import words

_FIVE_FIELDS = re.compile(r"[\d*/,-]+( [\d*/,-]+){3} ([0-6*,-]|/\d+)+")
_HISTORY = 3


@props
class Storage:
    """A persistent disk: one ReadWriteOnce PersistentVolumeClaim."""

    path: MountPath
    """Mount path."""
    size: str
    """Size, such as `1Gi`. It can be increased later, but not reduced."""

    def __post_init__(self) -> None:
        check_bytes(self.size, self.path)


@checked
class SingleWriter(ProgramConstruct):
    """A Deployment with one pod and the strategy `Recreate`, and its supporting objects.

    `Recreate` applies only to rollouts: if a node loses contact, its pod may still run next to the
    replacement. Cluster autoscalers do not move the pod. It has no PodDisruptionBudget, which would
    block node drains.
    """

    component = "worker"

    deployment: KubeObject
    claim: KubeObject | None = None
    """The PersistentVolumeClaim; None without storage."""

    def __init__(
        self,
        scope: Construct,
        name: ObjectName,
        *,
        program: Program,
        port: Port | None = None,
        liveness: Probe | None = None,
        startup: Probe | None = None,
        ports: Mapping[str, Port] | None = None,
        grace_seconds: NotNegative = 30,
        storage: Storage | None = None,
        options: Options | None = None,
    ) -> None:
        """Declare the worker and all its objects.

        Args:
            scope: The chart.
            name: Name of the objects and, by default, of the image.
            program: The program to run.
            port: Port for the probes; no other traffic is allowed. Default: none.
            liveness: Liveness probe. Default: none.
            startup: Startup probe. Default: none.
            ports: Additional container ports by name. Default: none.
            grace_seconds: Time to terminate after SIGTERM. Default: 30.
            storage: A persistent disk. Default: none.
            options: Labels, placement, identity, init containers. Default: none.
        """
        own = Container(
            program=program, port=port, ports=ports or {}, liveness=liveness, startup=startup
        )
        super().__init__(scope, name, own, options)
        if storage and storage.path in program.disks:
            raise DeclarationError(f"{storage.path} is mounted twice; keep one")
        self.add_supporting_objects()
        if storage:
            claim = {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": self.platform.storage_class,
                "resources": {"requests": {"storage": storage.size}},
            }
            self.claim = self.add("v1", "PersistentVolumeClaim", claim)
        template = pod_template(
            self,
            annotations=DO_NOT_EVICT,
            claim_path=storage.path if storage else None,
            terminationGracePeriodSeconds=grace_seconds,
        )
        self.deployment = self.add_deployment(1, RECREATE, template)


@checked
class ScheduledJob(ProgramConstruct):
    """A CronJob with concurrency policy `Forbid`, and its supporting objects.

    `Forbid` applies only to scheduled runs, not to Jobs created by hand.
    """

    component = "job"

    cron_job: KubeObject

    def __init__(
        self,
        scope: Construct,
        name: CronJobName,
        *,
        program: Program,
        schedule: str,
        retries: NotNegative = 2,
        deadline_seconds: Positive | None = None,
        grace_seconds: NotNegative | None = None,
        options: Options | None = None,
    ) -> None:
        """Declare the job and all its objects.

        Args:
            scope: The chart.
            name: Name of the objects and, by default, of the image.
            program: The program to run.
            schedule: Five cron fields, in UTC. A run that cannot start within 30 minutes (our
                estimate) is skipped.
            retries: The Job's `backoffLimit`. Use 0 if a run must not be repeated.
            deadline_seconds: Maximum duration of a run. Default: none.
            grace_seconds: Time to terminate after SIGTERM. Default: 30, set by Kubernetes.
            options: Labels, placement, identity, init containers. Default: none.
        """
        super().__init__(scope, name, Container(program=program), options)
        is_plain = _FIVE_FIELDS.fullmatch(schedule)  # without names and macros, which `words` reads
        try:
            words(schedule if is_plain else "")
        except CronSimError as error:
            reason = f", or never starts ({error})" if is_plain else ""
            raise DeclarationError(
                f"schedule {schedule!r} is not valid{reason}; write minute, hour, day of month, "
                "month and day of week (0-6) with digits and * / , -, "
                'like "0 2 * * *" for daily at 02:00 UTC'
            ) from error
        self.add_supporting_objects()
        job = _job_spec(self, retries, deadline_seconds, grace_seconds)
        spec = {
            "schedule": schedule,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 1800,
            "successfulJobsHistoryLimit": _HISTORY,
            "failedJobsHistoryLimit": _HISTORY,
            "jobTemplate": {"spec": job},
        }
        self.cron_job = self.add_controller("batch/v1", "CronJob", spec)


@checked
class ReleaseJob(ProgramConstruct):
    """A Job that runs with every release, such as a migration, and its supporting objects.

    Argo CD first syncs the objects that the job needs, including its Secret, then runs the job, and
    syncs everything else after the job has succeeded. Until then, and if the job fails, the old
    pods keep serving. The Job is a Sync hook, deleted before each run because its template is
    immutable. A PreSync hook would wait forever for the Secret that the sync creates.
    """

    component = "release"

    job: KubeObject
    """The Job, an Argo CD hook."""

    def __init__(
        self,
        scope: Construct,
        name: ObjectName,
        *,
        program: Program,
        retries: NotNegative = 3,
        deadline_seconds: Positive = 1800,
        options: Options | None = None,
    ) -> None:
        """Declare the job and all its objects.

        Args:
            scope: The chart.
            name: Name of the objects and, by default, of the image.
            program: The program to run. It must be idempotent: it runs with every sync and every
                retry of a failed sync.
            retries: The Job's `backoffLimit`. The default, 3, is our estimate.
            deadline_seconds: Maximum duration of the Job, and so of the sync. The default, 30
                minutes, is our estimate.
            options: Labels, placement, identity, init containers. Default: none.
        """
        super().__init__(scope, name, Container(program=program), options)
        self.add_supporting_objects()
        secrets = dict.fromkeys((*self.external_secrets.values(), *self.shared_secrets))
        for needed in (
            self.service_account,
            self.network_policy,
            *self.config_maps.values(),
            *(secret.external_secret for secret in secrets),
        ):
            needed.merge({"metadata": {"annotations": {WAVE: "-2"}}})
        hook = {
            "argocd.argoproj.io/hook": "Sync",
            "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
            WAVE: "-1",  # after what the job needs; the default wave is 0
        }
        spec = _job_spec(self, retries, deadline_seconds)
        self.job = self.add_controller("batch/v1", "Job", spec, hook)
        self.service_account.derive_annotation(FINGERPRINT, lambda: fingerprint(self.job.to_json()))


def _job_spec(
    job: ProgramConstruct,
    retries: int,
    deadline_seconds: int | None,
    grace_seconds: int | None = None,
) -> Manifest:
    return {
        "backoffLimit": retries,
        "activeDeadlineSeconds": deadline_seconds,
        "template": pod_template(
            job,
            annotations=DO_NOT_EVICT,
            # OnFailure would restart it before the failure is counted
            restartPolicy="OnFailure" if retries else "Never",
            terminationGracePeriodSeconds=grace_seconds,
        ),
    }
