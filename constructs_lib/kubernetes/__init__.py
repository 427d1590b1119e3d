"""Kubernetes objects from declarations.

Four kinds of workload (`WebService`, `SingleWriter`, `ScheduledJob`, `ReleaseJob`) around one
`Program`, in a `Chart`, in an `App` for a `Platform`.
"""

from constructs_lib.kubernetes.alb import Alb
from constructs_lib.kubernetes.app import App, Platform
from constructs_lib.kubernetes.argocd import Application, AppProject
from constructs_lib.kubernetes.chart import Chart, Pending
from constructs_lib.kubernetes.external_secret import (
    ExternalSecret,
    ParameterStore,
    RegistryCredentials,
)
from constructs_lib.kubernetes.jobs import ReleaseJob, ScheduledJob
from constructs_lib.kubernetes.namespace import Namespace, Quota
from constructs_lib.kubernetes.program import Container, Program
from constructs_lib.kubernetes.single_writer import SingleWriter, Storage
from constructs_lib.kubernetes.web_service import WebService

__all__ = [
    "Alb",
    "App",
    "AppProject",
    "Application",
    "Chart",
    "Container",
    "ExternalSecret",
    "Namespace",
    "ParameterStore",
    "Pending",
    "Platform",
    "Program",
    "Quota",
    "RegistryCredentials",
    "ReleaseJob",
    "ScheduledJob",
    "SingleWriter",
    "Storage",
    "WebService",
]
