"""What Argo CD syncs: an Application for every file of dist/, and the root that syncs those."""

from constructs_lib.kubernetes import App, Application, AppProject, Chart
from constructs_lib.kubernetes.argocd import NAMESPACE

PROJECT = "gnosis-analytics"
ROOT_PROJECT = "gnosis-analytics-root"
_FOLDER = "argocd"
_NAMESPACES = ("cerebro", "crawlers")


class Root(Chart):
    """The projects and the root Application: the one file that a person applies by hand.

    The root is in a project of its own, the only one that may make Applications and projects.
    """

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "root", namespace=NAMESPACE, folder=_FOLDER)
        AppProject(
            self,
            PROJECT,
            description="The services of Gnosis Analytics",
            namespaces=_NAMESPACES,
            cluster_kinds={
                "": ("Namespace",),
                "external-secrets.io": ("ClusterSecretStore",),
            },
            namespaced_kinds={
                "": (
                    "LimitRange",
                    "PersistentVolumeClaim",
                    "ResourceQuota",
                    "Service",
                    "ServiceAccount",
                ),
                "apps": ("Deployment",),
                "batch": ("CronJob", "Job"),
                "external-secrets.io": ("ExternalSecret",),
                "networking.k8s.io": ("Ingress", "NetworkPolicy"),
                "policy": ("PodDisruptionBudget",),
            },
        )
        AppProject(
            self,
            ROOT_PROJECT,
            description="The Applications of Gnosis Analytics",
            namespaces=(NAMESPACE,),
            cluster_kinds={},
            namespaced_kinds={"argoproj.io": ("Application", "AppProject")},
        )
        Application(
            self, "root", project=ROOT_PROJECT, folder=_FOLDER, namespace=NAMESPACE, cascade=False
        )


class Applications(Chart):
    """An Application for every chart declared before this one, but those of Argo CD itself."""

    def __init__(self, scope: App) -> None:
        files = [chart for chart in scope.files if chart.home != NAMESPACE]
        super().__init__(scope, "applications", namespace=NAMESPACE, folder=_FOLDER)
        for chart in files:
            folder, _, file = chart.path.partition("/")
            Application(
                self,
                chart.name,
                project=PROJECT,
                folder=folder,
                file=file,
                namespace=chart.home or _NAMESPACES[0],
            )
