"""Constructs for Kubernetes objects.

An `App` for a `Platform` contains `Chart`s. A chart contains workloads: `WebService`,
`SingleWriter`, `ScheduledJob` or `ReleaseJob`, each running a `Program`.
"""

from constructs_lib.kubernetes.alb import Alb
from constructs_lib.kubernetes.app import App, ChartFile, ChartFiles
from constructs_lib.kubernetes.argocd import Application, AppProject
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.external_secret import (
    ExternalSecret,
    ParameterStore,
    RegistryCredentials,
)
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.namespace import Namespace, Quota
from constructs_lib.kubernetes.program import Autoscaling, Container, Options, Program, Toleration
from constructs_lib.kubernetes.web_service import WebService
from constructs_lib.kubernetes.workers import ReleaseJob, ScheduledJob, SingleWriter, Storage
from constructs_lib.model.platform import Platform

__all__ = [
    "Alb",
    "App",
    "AppProject",
    "Application",
    "Autoscaling",
    "Chart",
    "ChartFile",
    "ChartFiles",
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
    "Storage",
    "Toleration",
    "WebService",
]
