"""New objects that control others, paths of load balancers, and versions of custom resources."""

from __future__ import annotations

from typing import Any

from tests.ops.review.cases import API, INGRESSES, case, high, low, medium
from tests.ops.review.cases.objects import create, delete, set_field
from tests.ops.review.edits import together

INGRESS = INGRESSES[0]
ALB = "metadata.annotations[alb.ingress.kubernetes.io/"
SCHEME, LISTENERS = f"{ALB}scheme]", f"{ALB}listen-ports]"
SECOND = "Ingress cerebro/second"
PUBLIC = {
    "kubernetes.io/ingress.class": "alb",
    "alb.ingress.kubernetes.io/scheme": "internet-facing",
    "alb.ingress.kubernetes.io/certificate-arn": "arn:aws:acm:eu-central-1:111122223333:x",
}


def rule(path: str, service: str, **port: Any) -> dict[str, Any]:
    backend = {"service": {"name": service, "port": port}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend}]
    return {"host": "api.analytics.gnosis.io", "http": {"paths": paths}}


DENYING = rule("/metrics", "deny", name="use-annotation")
SERVING = rule("/", "cerebro-api", number=8000)
PATHS = "spec.rules[0].http.paths"
APPLICATIONS = "argocd/applications.k8s.yaml"
FOREIGN = "https://github.com/someone/else.git"
ARGOCD = "argoproj.io/v1alpha1"
PROJECT = "AppProject argocd/open"
APPLICATION = "Application argocd/other"
STORE = "ClusterSecretStore other"
DEFINITION = "CustomResourceDefinition externalsecrets.external-secrets.io"
SECRETS = "ExternalSecret cerebro/cerebro-api-secrets"
GROUP = "external-secrets.io"
VERSIONS: list[dict[str, Any]] = [
    {"name": name, "served": True, "storage": name == "v1"} for name in ("v1beta1", "v1")
]
EVERYTHING = [{"group": "*", "kind": "*"}]


def application(**spec: Any) -> dict[str, Any]:
    destination = {"server": "https://kubernetes.default.svc", "namespace": "kube-system"}
    source = {"repoURL": FOREIGN, "path": "manifests", "targetRevision": "main"}
    return {"destination": destination, "project": "default", "source": source, **spec}


def definition(*versions: dict[str, Any]) -> Any:
    return create(
        "cluster/aws-ssm.k8s.yaml",
        DEFINITION,
        "apiextensions.k8s.io/v1",
        spec={
            "group": GROUP,
            "names": {"kind": "ExternalSecret", "plural": "externalsecrets"},
            "versions": list(versions),
        },
    )


CASES = [
    case("add a project that allows everything, and an Application from another repository",
         together(create(APPLICATIONS, PROJECT, ARGOCD,
                         spec={
                             "sourceRepos": ["*"],
                             "destinations": [{"server": "*", "namespace": "*"}],
                             "clusterResourceWhitelist": EVERYTHING,
                         }),
                  create(APPLICATIONS, APPLICATION, ARGOCD, spec=application(project="open"))),
         high("privilege", PROJECT, "sync from *; sync into namespace * of *; sync * in API"),
         high("privilege", PROJECT, "syncs from any repository (*)"),
         high("privilege", PROJECT, "syncs into namespace * of *"),
         high("privilege", PROJECT, "clusterResourceWhitelist allows every kind of *"),
         high("privilege", PROJECT, "namespaceResourceWhitelist is empty"),
         high("privilege", APPLICATION, f"sync manifests of {FOREIGN} at main into namespace"),
         high("update", APPLICATION, "syncPolicy.automated.prune"),
         high("update", APPLICATION, "syncPolicy.automated.selfHeal"),
         low("create", PROJECT),
         low("create", APPLICATION)),
    case("add a project whose wildcard is the last of many repositories",
         create(APPLICATIONS, PROJECT, ARGOCD,
                spec={
                    "sourceRepos": [*(f"https://example.org/{one}.git" for one in range(9)), "*"],
                    "namespaceResourceWhitelist": [],
                }),
         high("privilege", PROJECT, "new permissions: sync from *; "),
         high("privilege", PROJECT, "syncs from any repository (*)"),
         high("privilege", PROJECT, "namespaceResourceWhitelist is empty"),
         high("privilege", PROJECT, "destinations is empty"),
         low("create", PROJECT)),
    case("let a project sync every kind",
         set_field("AppProject argocd/gnosis-analytics", "spec.namespaceResourceWhitelist", None),
         high("privilege", "AppProject argocd/gnosis-analytics", "every namespaced kind (*)"),
         low("privilege", "AppProject argocd/gnosis-analytics", "LimitRange")),
    case("add a secret store of another provider, for all namespaces",
         create("cluster/aws-ssm.k8s.yaml", STORE, f"{GROUP}/v1beta1",
                spec={"provider": {"kubernetes": {"remoteNamespace": "kube-system"}}}),
         high("privilege", STORE, "read secrets through kubernetes"),
         high("privilege", STORE, "use by ExternalSecrets in all namespaces"),
         high("privilege", STORE, "serves namespaces that are not listed by name"),
         high("privilege", STORE, "does not read the parameters of"),
         high("delete", STORE, "[prunable-shared-object]"),
         low("create", STORE)),
    case("change the type of a denied path",
         set_field(INGRESS, f"{PATHS}[/metrics].pathType", "Exact"),
         high("unknown", INGRESS, "/metrics (Exact, the load balancer)")),
    case("deny a path with a wildcard",
         together(set_field(INGRESS, f"{PATHS}[/metrics].pathType", "ImplementationSpecific"),
                  set_field(INGRESS, f"{PATHS}[/metrics].path", "/metrics*")),
         high("unknown", INGRESS, "/metrics* (ImplementationSpecific, the load balancer)")),
    case("serve only the root",
         set_field(INGRESS, f"{PATHS}[/].pathType", "ImplementationSpecific"),
         high("unknown", INGRESS, "/ (ImplementationSpecific, Service cerebro-api:8000)")),
    case("serve only the root, to the internet",
         set_field(INGRESS, f"{PATHS}[/].pathType", "ImplementationSpecific"),
         high("unknown", INGRESS, "/ (ImplementationSpecific, Service cerebro-api:8000)"),
         high("exposure", INGRESS, "reachable from the internet: https://api.analytics.gnosis"),
         high("replace", INGRESS, "internal → internet-facing"),
         base=set_field(INGRESS, SCHEME, "internal")),
    case("stop to listen on HTTPS, with an unclear path",
         together(set_field(INGRESS, f"{PATHS}[/].pathType", "ImplementationSpecific"),
                  set_field(INGRESS, LISTENERS, '[{"HTTP":80}]')),
         high("unknown", INGRESS, "/ (ImplementationSpecific, Service cerebro-api:8000)"),
         medium("exposure", INGRESS, "no longer reachable: https://api.analytics.gnosis.io/…"),
         high("exposure", INGRESS, "[unencrypted-ingress]")),
    case("remove an Ingress with an unclear path", delete(INGRESS),
         high("delete", INGRESS),
         medium("exposure", INGRESS, "no longer reachable: https://api.analytics.gnosis.io/…"),
         base=set_field(INGRESS, f"{PATHS}[/].pathType", "ImplementationSpecific")),
    case("swap two rules of one host", set_field(INGRESS, "spec.rules", [SERVING, DENYING]),
         high("unknown", INGRESS, "change from /metrics (Prefix, the load balancer), / ("),
         base=set_field(INGRESS, "spec.rules", [DENYING, SERVING])),
    case("serve a host by a second Ingress, from the internet",
         create("cerebro/cerebro-api.k8s.yaml", "Ingress cerebro/second", "networking.k8s.io/v1",
                spec={"rules": [{**SERVING, "host": "mcp.analytics.gnosis.io"}]},
                annotations=PUBLIC),
         high("unknown", SECOND, "the paths of mcp.analytics.gnosis.io"),
         high("exposure", SECOND, "reachable from the internet: https://mcp.analytics"),
         others=True),
    case("serve everything by a default backend",
         create("cerebro/cerebro-api.k8s.yaml", "Ingress cerebro/second", "networking.k8s.io/v1",
                spec={"defaultBackend": SERVING["http"]["paths"][0]["backend"]},
                annotations=PUBLIC),
         high("exposure", SECOND, "by the default backend Service cerebro-api:8000"),
         others=True),
    case("forward by an action of the load balancer",
         set_field(INGRESS, f"{ALB}actions.deny]", '{"type":"forward","targetGroupARN":"x"}'),
         high("unknown", INGRESS, "/metrics (Prefix, the action deny"),
         medium("exposure", INGRESS, "response of the load balancer")),
    case("redirect to another port", set_field(INGRESS, f"{ALB}ssl-redirect]", "8443"),
         high("exposure", INGRESS, "443 → 8443")),
    case("stop serving a version that dist/ uses",
         definition({**VERSIONS[0], "served": False}, VERSIONS[1]),
         high("downtime", DEFINITION, "does not serve v1beta1 of ExternalSecret: the API"),
         base=definition(*VERSIONS)),
    case("use a version that is not served",
         together(definition(*VERSIONS), set_field(SECRETS, "apiVersion", f"{GROUP}/v2")),
         high("downtime", DEFINITION, "does not serve v2 of ExternalSecret: the API server"),
         medium("update", SECRETS, "v1beta1 → external-secrets.io/v2"),
         base=definition(*VERSIONS)),
    case("remove a version that nothing uses", definition(VERSIONS[0]),
         high("downtime", DEFINITION, "all objects of this version"),
         base=definition(*VERSIONS)),
    case("add a Namespace without protection",
         create("cluster/namespace-cerebro.k8s.yaml", "Namespace open", "v1"),
         *(
             high("privilege", "Namespace open", f"{what} is not set")
             for mode in ("enforce", "audit", "warn")
             for what in (f"Pod Security {mode}", f"the version of Pod Security {mode}")
         ),
         *(
             high("exposure", "Namespace open", f"denies {direction}")
             for direction in ("ingress", "egress")
         ),
         *(
             high("capacity", "Namespace open", f"has no {bound}")
             for bound in ("ResourceQuota", "LimitRange")
         ),
         high("delete", "Namespace open", "[prunable-shared-object]"),
         low("create", "Namespace open")),
    case("set memory in thousandths of a byte",
         set_field(API, "spec.template.spec.containers[0].resources.limits.memory", "1024m"),
         high("downtime", API, "did you mean 1024Mi? [fractional-bytes]"),
         high("capacity", API, "requests more memory than its limit"),
         low("restart", API, "resources.limits.memory"),
         low("capacity", "Namespace cerebro", "limits.memory")),
]  # fmt: skip
