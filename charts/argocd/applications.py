"""An Argo CD Application for every file of dist/, and the root Application that syncs those."""

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import App, Application, AppProject, Chart
from constructs_lib.manifests.argocd import NAMESPACE

PROJECT = "gnosis-analytics"
ROOT_PROJECT = "gnosis-analytics-root"
_FOLDER = "argocd"
_POWERFUL_KINDS = {
    "": ("Namespace",),
    "external-secrets.io": ("ClusterSecretStore",),
}
"""Allowed kinds that are cluster-scoped or privileged, by API group. All other rendered kinds are
allowed automatically."""


class Root(Chart):
    """The projects and the root Application: the one file to apply by hand.

    The root has its own project, the only one that may create Applications and projects.
    """

    def __init__(self, scope: App) -> None:
        rendered = scope.files()
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
    """An Application for every chart before this one, except those of Argo CD."""

    def __init__(self, scope: App) -> None:
        rendered = scope.files()
        super().__init__(scope, "applications", namespace=NAMESPACE, folder=_FOLDER)
        if not rendered.namespaces:
            raise DeclarationError("no chart declares a Namespace; list one in charts/registry.py")
        for declared in rendered:
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
