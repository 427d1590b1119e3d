"""Constructs for Kubernetes objects.

An `App` for a `Platform` contains `Chart`s. A chart contains workloads: `WebService`,
`SingleWriter`, `ScheduledJob` or `ReleaseJob`, each running a `Program`.
"""

from constructs_lib.kubernetes.alb import Alb as Alb
from constructs_lib.kubernetes.app import App as App
from constructs_lib.kubernetes.app import ChartFile as ChartFile
from constructs_lib.kubernetes.app import ChartFiles as ChartFiles
from constructs_lib.kubernetes.argocd import Application as Application
from constructs_lib.kubernetes.argocd import AppProject as AppProject
from constructs_lib.kubernetes.chart import Chart as Chart
from constructs_lib.kubernetes.external_secret import ExternalSecret as ExternalSecret
from constructs_lib.kubernetes.external_secret import ParameterStore as ParameterStore
from constructs_lib.kubernetes.external_secret import RegistryCredentials as RegistryCredentials
from constructs_lib.kubernetes.kube_object import KubeObject as KubeObject
from constructs_lib.kubernetes.namespace import Namespace as Namespace
from constructs_lib.kubernetes.namespace import Quota as Quota
from constructs_lib.kubernetes.program import Autoscaling as Autoscaling
from constructs_lib.kubernetes.program import Container as Container
from constructs_lib.kubernetes.program import Options as Options
from constructs_lib.kubernetes.program import Program as Program
from constructs_lib.kubernetes.program import Toleration as Toleration
from constructs_lib.kubernetes.web_service import WebService as WebService
from constructs_lib.kubernetes.workers import ReleaseJob as ReleaseJob
from constructs_lib.kubernetes.workers import ScheduledJob as ScheduledJob
from constructs_lib.kubernetes.workers import SingleWriter as SingleWriter
from constructs_lib.kubernetes.workers import Storage as Storage
from constructs_lib.model.platform import Platform as Platform
