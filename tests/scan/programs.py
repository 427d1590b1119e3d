"""The pinned programs that the scanners need."""

from catalogue.target import TARGET
from local_cluster.installing import ARGOCD, EXTERNAL_SECRETS, Program

KUBE_SCORE = Program(
    "kube-score",
    "1.20.0",
    "github.com/zegl/kube-score",
    "./cmd/kube-score",
    "h1:J1VqK86SunV4Gg8emPTmwUVxe0rmXnAs5K9ZUbGMKR8=",
)
KUBECONFORM = Program(
    "kubeconform",
    "0.7.0",
    "github.com/yannh/kubeconform",
    "./cmd/kubeconform",
    "h1:ZFfniR8VChrWQxaxTUGnNrxw8RIDkjVBrjdhXSamwjw=",
)
GITLEAKS = Program(
    "gitleaks",
    "8.30.1",
    "github.com/zricethezav/gitleaks/v8",
    checksum="h1:PmEvCfVI7ti9dV3s5aMZUY7sS2GxRvG3yzih7E+cS3w=",
)
DEFINITIONS = (ARGOCD, EXTERNAL_SECRETS[TARGET.external_secrets])
"""The programs whose custom resource definitions kubeconform uses."""

NEEDED: dict[str, tuple[Program, ...]] = {
    "kube-score": (KUBE_SCORE,),
    "checkov": (),
    "kubeconform": (KUBECONFORM, *DEFINITIONS),
    "cfn-lint": (),
    "cdk-nag": (),
    "gitleaks": (GITLEAKS,),
}
"""Programs by scanner; missing ones are built with Go."""
