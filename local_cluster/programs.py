"""The programs of the control plane, pinned by version and checksum."""

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).with_name("tools")


@dataclass(frozen=True)
class Module:
    """A published Go module that builds without changes; its go.sum verifies dependencies."""

    path: str
    version: str
    checksum: str
    """The module's `h1:` hash, as printed by `go mod download -json`."""

    @property
    def pin(self) -> str:
        """Identifies the source of a build."""
        return f"{self.path}@{self.version} {self.checksum}"


@dataclass(frozen=True)
class ToolsModule:
    """A local go.mod and go.sum, for a module with `replace` directives to unpublished code."""

    name: str

    @property
    def folder(self) -> Path:
        return TOOLS / self.name

    @property
    def pin(self) -> str:
        """Identifies the source of a build."""
        return "".join((self.folder / file).read_text() for file in ("go.mod", "go.sum"))


@dataclass(frozen=True)
class Program:
    """A program, its version, and how to build it."""

    name: str
    version: str
    source: Module | ToolsModule
    package: str
    variables: tuple[str, ...] = ()
    """`name=value` pairs for the linker, so that the program reports its version."""
    crds: str = ""
    """The module's directory of custom resource definitions."""

    @property
    def key(self) -> str:
        """The name of the cache directory; it depends on pin, flags, and machine type."""
        build = (self.source.pin, self.package, self.variables, self.crds)
        facts = repr((build, platform.system(), platform.machine()))
        return f"{self.name}-{self.version}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"


KUBERNETES = "1.36.3"
ARGO_CD = "2.14.21"
SECRETS_MODULE = "github.com/external-secrets/external-secrets"


def _kubernetes(name: str) -> Program:
    major, minor, _ = KUBERNETES.split(".")
    version = "k8s.io/component-base/version"
    return Program(
        name,
        KUBERNETES,
        ToolsModule("kubernetes"),
        f"k8s.io/kubernetes/cmd/{name}",
        (
            f"{version}.gitVersion=v{KUBERNETES}",
            f"{version}.gitMajor={major}",
            f"{version}.gitMinor={minor}",
        ),
    )


def _external_secrets(version: str, checksum: str) -> Program:
    source = Module(SECRETS_MODULE, f"v{version}", checksum)
    return Program("external-secrets", version, source, ".", crds="config/crds/bases")


ETCD = Program("etcd", "3.6.5", ToolsModule("etcd"), "go.etcd.io/etcd/server/v3")
API_SERVER = _kubernetes("kube-apiserver")
CONTROLLER_MANAGER = _kubernetes("kube-controller-manager")
SCHEDULER = _kubernetes("kube-scheduler")
KWOK = Program(
    "kwok",
    "0.7.0",
    Module("sigs.k8s.io/kwok", "v0.7.0", "h1:+eGsNOIPapjsSzeZlOEcwbpyEVa2Vqlcafa0qIjaKV4="),
    "./cmd/kwok",
)
ARGOCD = Program(
    "argocd",
    ARGO_CD,
    Module(
        "github.com/argoproj/argo-cd/v2",
        f"v{ARGO_CD}",
        "h1:Ux50vfMUITW+Y+6GAYgQlZbr6WHE5ogiLg9OxxvP9EA=",
    ),
    "./cmd",
    (f"github.com/argoproj/argo-cd/v2/common.version={ARGO_CD}",),
    crds="manifests/crds",
)
EXTERNAL_SECRETS = {
    "v1beta1": _external_secrets("0.9.20", "h1:SjCgevHllWRGinuC4mlnyreTSEfBd2sq40+acu8Ow6Q="),
    "v1": _external_secrets("0.20.4", "h1:HhNAjWfFEshhItphr28SGsHzf2bUP7uDAOVLg76uNAg="),
}
"""By served API version: 0.9.20 does not serve v1 yet, 0.20.4 no longer serves v1beta1."""

CONTROL_PLANE = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK, ARGOCD)
