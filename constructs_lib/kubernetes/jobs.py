"""Workloads that end: on a schedule, or once for every release."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cdk8s_plus_27 import k8s
from constructs import Construct
from cronsim import CronSim, CronSimError

from constructs_lib.checks import checked
from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.options import Options
from constructs_lib.kubernetes.program import Container, Program
from constructs_lib.kubernetes.workload import DO_NOT_EVICT, ProgramConstruct
from constructs_lib.manifests.releases import FINGERPRINT, WAVE, fingerprint
from constructs_lib.model import NotNegative, Positive

_FIVE_FIELDS = re.compile(r"[\d*/,-]+( [\d*/,-]+){4}")
_HISTORY = 3
_START_WITHIN_SECONDS = 1800
_NEEDED_WAVE, _RELEASE_WAVE = "-2", "-1"
"""Sync waves of Argo CD; what states none is in wave 0."""
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def check_schedule(schedule: str) -> None:
    """Refuse what Kubernetes does not read as five cron fields."""
    try:
        CronSim(schedule if _FIVE_FIELDS.fullmatch(schedule) else "", _ANY_DAY)
    except CronSimError as error:
        raise DeclarationError(
            f"schedule {schedule!r} is none; write minute, hour, day of month, month and day of "
            'week with digits, * / , and -, as "0 2 * * *" for daily at 02:00 UTC'
        ) from error


@checked
class ScheduledJob(ProgramConstruct):
    """A CronJob of which one run at most is under way, and what every workload gets.

    `Forbid` orders the scheduled runs only; a Job made by hand is not counted.
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
            name: The one name, of the objects and, by default, of the image.
            program: What runs in its container.
            schedule: Five cron fields, in UTC. A run that cannot start within half an hour (our
                estimate) is left out.
            retries: The Job's `backoffLimit`: how many failures of its container end it; 0 for
                what must not be done twice.
            deadline_seconds: When a run that hangs is ended. Default: never.
            grace_seconds: What it takes to end after SIGTERM. Default: Kubernetes' 30.
            options: Labels, placement, identity, init containers. Default: nothing of it.
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
                                    # a container restarted in place is not counted in time
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
    """A Job that runs with every release, a migration for instance, and what every workload gets.

    In a sync of Argo CD, what the job needs comes first (its Secret included), then the job, and
    once that has ended, everything else: the old pods serve meanwhile, and keep serving if the job
    fails. It is a Sync hook that is deleted before it is made again, because a Job's template
    cannot change. A PreSync hook would wait for ever for the Secret that the sync creates.
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
            name: The one name, of the objects and, by default, of the image.
            program: What runs in its container. It must be safe to repeat: it runs with every
                sync, and once more for each attempt at a sync that fails.
            retries: The Job's `backoffLimit`. The default, 3, is our estimate.
            deadline_seconds: When the hook, and with it a sync that hangs, is ended. The default,
                30 minutes, is our estimate.
            options: Labels, placement, identity, init containers. Default: nothing of it.
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
