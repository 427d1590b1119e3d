"""The programs of the control plane, pinned by version and checksum."""

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).with_name("tools")


@dataclass(frozen=True)
class Module:
    """A published Go module that builds without changes; its go.sum verifies dependencies."""

    path: str
    version: str
    checksum: str
    """The module's `h1:` hash, as printed by `go mod download -json`."""


@dataclass(frozen=True)
class Program:
    """A program, its version, and how to build it."""

    name: str
    version: str
    source: Module | Path
    """A directory has its own go.mod and go.sum, for a module with `replace` directives to
    unpublished code.
    """
    package: str
    variables: tuple[str, ...] = ()
    """`name=value` pairs for the linker, so that the program reports its version."""
    crds: str = ""
    """The module's directory of custom resource definitions."""

    @property
    def key(self) -> str:
        """The name of the cache directory; it depends on source, flags, and machine type."""
        if isinstance(self.source, Module):
            pin = f"{self.source.path}@{self.source.version} {self.source.checksum}"
        else:
            pin = "".join((self.source / file).read_text() for file in ("go.mod", "go.sum"))
        build = (pin, self.package, self.variables, self.crds)
        facts = repr((build, platform.system(), platform.machine()))
        return f"{self.name}-{self.version}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"


def published(
    name: str, version: str, path: str, checksum: str, package: str = ".", **how: Any
) -> Program:
    """A program of a published module with the same version."""
    return Program(name, version, Module(path, f"v{version}", checksum), package, **how)


def _kubernetes(name: str) -> Program:
    version = "1.36.3"
    major, minor, _ = version.split(".")
    built_in = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    variables = (f"k8s.io/component-base/version.{key}={value}" for key, value in built_in.items())
    source, package = TOOLS / "kubernetes", f"k8s.io/kubernetes/cmd/{name}"
    return Program(name, version, source, package, tuple(variables))


def _external_secrets(version: str, checksum: str) -> Program:
    module = "github.com/external-secrets/external-secrets"
    return published("external-secrets", version, module, checksum, crds="config/crds/bases")


ETCD = Program("etcd", "3.6.5", TOOLS / "etcd", "go.etcd.io/etcd/server/v3")
API_SERVER = _kubernetes("kube-apiserver")
CONTROLLER_MANAGER = _kubernetes("kube-controller-manager")
SCHEDULER = _kubernetes("kube-scheduler")
KWOK = published(
    "kwok",
    "0.7.0",
    "sigs.k8s.io/kwok",
    "h1:+eGsNOIPapjsSzeZlOEcwbpyEVa2Vqlcafa0qIjaKV4=",
    "./cmd/kwok",
)
ARGOCD = published(
    "argocd",
    "2.14.21",
    "github.com/argoproj/argo-cd/v2",
    "h1:Ux50vfMUITW+Y+6GAYgQlZbr6WHE5ogiLg9OxxvP9EA=",
    "./cmd",
    variables=("github.com/argoproj/argo-cd/v2/common.version=2.14.21",),
    crds="manifests/crds",
)
EXTERNAL_SECRETS = {
    "v1beta1": _external_secrets("0.9.20", "h1:SjCgevHllWRGinuC4mlnyreTSEfBd2sq40+acu8Ow6Q="),
    "v1": _external_secrets("0.20.4", "h1:HhNAjWfFEshhItphr28SGsHzf2bUP7uDAOVLg76uNAg="),
}
"""By served API version: 0.9.20 does not serve v1 yet, 0.20.4 no longer serves v1beta1."""

CONTROL_PLANE = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK, ARGOCD)
