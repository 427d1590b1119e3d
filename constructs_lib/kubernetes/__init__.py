"""Constructs for Kubernetes objects.

An `App` for a `Platform` contains `Chart`s. A chart contains workloads: `WebService`,
`SingleWriter`, `ScheduledJob` or `ReleaseJob`, each running a `Program`.
"""

from constructs_lib.kubernetes.alb import Alb
from constructs_lib.kubernetes.app import App
from constructs_lib.kubernetes.argocd import Application, AppProject
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.external_secret import (
    ExternalSecret,
    ParameterStore,
    RegistryCredentials,
)
from constructs_lib.kubernetes.jobs import ReleaseJob, ScheduledJob
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.namespace import Namespace, Quota
from constructs_lib.kubernetes.options import Autoscaling, Options, Toleration
from constructs_lib.kubernetes.program import Container, Program
from constructs_lib.kubernetes.single_writer import SingleWriter, Storage
from constructs_lib.kubernetes.snapshot import ChartFile, Snapshot
from constructs_lib.kubernetes.web_service import WebService
from constructs_lib.model.platform import Platform

__all__ = [
    "Alb",
    "App",
    "AppProject",
    "Application",
    "Autoscaling",
    "Chart",
    "ChartFile",
    "Container",
    "ExternalSecret",
    "KubeObject",
    "Namespace",
    "Options",
    "ParameterStore",
    "Platform",
    "Program",
    "Quota",
    "RegistryCredentials",
    "ReleaseJob",
    "ScheduledJob",
    "SingleWriter",
    "Snapshot",
    "Storage",
    "Toleration",
    "WebService",
]
