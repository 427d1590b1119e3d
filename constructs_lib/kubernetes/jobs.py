"""Workloads that end: on a schedule, or once for every release."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cdk8s_plus_27 import k8s
from constructs import Construct
from cronsim import CronSim, CronSimError

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.program import Container, Program
from constructs_lib.kubernetes.workload import STAY, Workload

_FIVE_FIELDS = re.compile(r"[\d*/,-]+( [\d*/,-]+){4}")
_HISTORY = 3
_START_WITHIN_SECONDS = 1800
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


class ScheduledJob(Workload):
    """A CronJob of which one run at most is under way, and what every workload gets.

    `Forbid` orders the scheduled runs only; a Job made by hand is not counted.
    """

    component = "job"
    longest_name = 52

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        program: Program,
        schedule: str,
        retries: int = 2,
        deadline_seconds: int | None = None,
        grace_seconds: int | None = None,
    ) -> None:
        """Declare it.

        `schedule` is five cron fields, in UTC; a run that cannot start within half an hour (our
        estimate) is left out. `retries` (2) is the Job's `backoffLimit`: how many failures of its
        container end it; 0 for what must not be done twice. `deadline_seconds` (default: none)
        ends a run that hangs. `grace_seconds` (default: 30) is what it takes to end after SIGTERM.
        """
        super().__init__(scope, name, Container(program=program))
        with self.refusals():
            check_schedule(schedule)
            self.surround()
            self.chart.add(
                k8s.KubeCronJobProps(
                    metadata=self.metadata,
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
                                    annotations=STAY,
                                    # a container restarted in place is not counted in time
                                    restart_policy="OnFailure" if retries else "Never",
                                    grace_seconds=grace_seconds,
                                ),
                            )
                        ),
                    ),
                )
            )


class ReleaseJob(Workload):
    """A Job that runs with every sync, a migration for instance, and what every workload gets.

    It is an Argo CD Sync hook that is deleted before it is made again, because a Job's template
    cannot change. A PreSync hook would wait for ever for the Secret that the sync creates.
    """

    component = "release"

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        program: Program,
        retries: int = 3,
        deadline_seconds: int = 1800,
    ) -> None:
        """Declare it.

        What it does must be safe to repeat: it runs with every sync. `retries` (3, our estimate)
        is the Job's `backoffLimit`; `deadline_seconds` (30 minutes, our estimate) ends the hook,
        and with it a sync that hangs.
        """
        super().__init__(scope, name, Container(program=program))
        with self.refusals():
            self.surround()
            self.chart.add(
                k8s.KubeJobProps(
                    metadata=self.chart.metadata(
                        name,
                        labels=self.labels,
                        annotations={
                            "argocd.argoproj.io/hook": "Sync",
                            "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
                        },
                    ),
                    spec=k8s.JobSpec(
                        backoff_limit=retries,
                        active_deadline_seconds=deadline_seconds,
                        template=self.pod_template(
                            annotations=STAY, restart_policy="OnFailure" if retries else "Never"
                        ),
                    ),
                )
            )
