"""What Argo CD syncs: an Application for every file of dist/, and the root that syncs those."""

from constructs_lib.kubernetes import App, Application, AppProject, Chart
from constructs_lib.manifests.argocd import NAMESPACE

PROJECT = "gnosis-analytics"
ROOT_PROJECT = "gnosis-analytics-root"
_FOLDER = "argocd"
_POWERFUL_KINDS = {
    "": ("Namespace",),
    "external-secrets.io": ("ClusterSecretStore",),
}
"""Kinds of cluster scope, and others that give power over the cluster, by API group. All other
kinds are allowed once a chart renders them; these only by a line here."""


class Root(Chart):
    """The projects and the root Application: the one file that a person applies by hand.

    The root is in a project of its own, the only one that may make Applications and projects.
    """

    def __init__(self, scope: App) -> None:
        rendered = scope.snapshot()
        super().__init__(scope, "root", namespace=NAMESPACE, folder=_FOLDER)
        AppProject(
            self,
            PROJECT,
            description="The services of Gnosis Analytics",
            namespaces=rendered.namespaces,
            powerful_kinds=_POWERFUL_KINDS,
            rendered=rendered.objects,
        )
        AppProject(
            self,
            ROOT_PROJECT,
            description="The Applications of Gnosis Analytics",
            namespaces=(NAMESPACE,),
            powerful_kinds={"argoproj.io": ("Application", "AppProject")},
        )
        Application(
            self, "root", project=ROOT_PROJECT, folder=_FOLDER, namespace=NAMESPACE, cascade=False
        )


class Applications(Chart):
    """An Application for every chart declared before this one, but those of Argo CD itself."""

    def __init__(self, scope: App) -> None:
        rendered = scope.snapshot()
        super().__init__(scope, "applications", namespace=NAMESPACE, folder=_FOLDER)
        for declared in rendered.files:
            if declared.namespace == NAMESPACE:
                continue
            folder, _, file = declared.path.partition("/")
            Application(
                self,
                declared.name,
                project=PROJECT,
                folder=folder,
                file=file,
                namespace=declared.namespace or rendered.namespaces[0],
            )
