"""Jobs that run on a schedule or with every release."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cdk8s_plus_27 import k8s
from constructs import Construct
from cronsim import CronSim, CronSimError

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.options import Options
from constructs_lib.kubernetes.program import Container, Program
from constructs_lib.kubernetes.workload import DO_NOT_EVICT, ProgramConstruct
from constructs_lib.manifests.argocd import FINGERPRINT, WAVE, fingerprint
from constructs_lib.model import NotNegative, Positive
from constructs_lib.model.checks import checked

_FIVE_FIELDS = re.compile(r"[\d*/,-]+( [\d*/,-]+){4}")
_HISTORY = 3
_START_WITHIN_SECONDS = 1800
_NEEDED_WAVE, _RELEASE_WAVE = "-2", "-1"
"""Argo CD sync waves. The default wave is 0."""
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def check_schedule(schedule: str) -> None:
    """Reject anything but five cron fields."""
    try:
        CronSim(schedule if _FIVE_FIELDS.fullmatch(schedule) else "", _ANY_DAY)
    except CronSimError as error:
        raise DeclarationError(
            f"schedule {schedule!r} is not valid; write minute, hour, day of month, month and day "
            'of week with digits, * / , and -, such as "0 2 * * *" for daily at 02:00 UTC'
        ) from error


@checked
class ScheduledJob(ProgramConstruct):
    """A CronJob with concurrency policy `Forbid`, and its supporting objects.

    `Forbid` applies only to scheduled runs, not to Jobs created by hand.
    """

    component = "job"
    longest_name = 52

    cron_job: KubeObject
    """The CronJob."""

    def __init__(
        self,
        scope: Construct,
        name: str,
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
        with self.declaration_errors():
            check_schedule(schedule)
            self.add_supporting_objects()
            self.cron_job = self.chart.add(
                self,
                k8s.KubeCronJobProps(
                    metadata=self.controller_metadata(),
                    spec=k8s.CronJobSpec(
                        schedule=schedule,
                        time_zone="Etc/UTC",
                        concurrency_policy="Forbid",
                        starting_deadline_seconds=_START_WITHIN_SECONDS,
                        successful_jobs_history_limit=_HISTORY,
                        failed_jobs_history_limit=_HISTORY,
                        job_template=k8s.JobTemplateSpec(
                            spec=k8s.JobSpec(
                                backoff_limit=retries,
                                active_deadline_seconds=deadline_seconds,
                                template=self.pod_template(
                                    annotations=DO_NOT_EVICT,
                                    # OnFailure would restart it before the failure is counted
                                    restart_policy="OnFailure" if retries else "Never",
                                    grace_seconds=grace_seconds,
                                ),
                            )
                        ),
                    ),
                ),
            )


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
        name: str,
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
        with self.declaration_errors():
            self.add_supporting_objects()
            for needed in self.supporting_objects:
                needed.merge({"metadata": {"annotations": {WAVE: _NEEDED_WAVE}}})
            self.job = self.chart.add(
                self,
                k8s.KubeJobProps(
                    metadata=self.controller_metadata(
                        {
                            "argocd.argoproj.io/hook": "Sync",
                            "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
                            WAVE: _RELEASE_WAVE,
                        }
                    ),
                    spec=k8s.JobSpec(
                        backoff_limit=retries,
                        active_deadline_seconds=deadline_seconds,
                        template=self.pod_template(
                            annotations=DO_NOT_EVICT,
                            restart_policy="OnFailure" if retries else "Never",
                        ),
                    ),
                ),
            )
            self.service_account.derive_annotation(
                FINGERPRINT, lambda: fingerprint(self.job.to_json())
            )
