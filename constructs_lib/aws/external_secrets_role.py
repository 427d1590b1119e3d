"""What External Secrets may read in AWS."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.aws.secure_strings import parameter_arns
from constructs_lib.model import Parameter

NAMESPACE = "external-secrets"
SERVICE_ACCOUNT = "external-secrets"
"""Of the operator's own chart, both by its defaults."""


class ExternalSecretsRole(Construct):
    """An IAM role for the operator's service account: `ssm:GetParameter` on these parameters.

    EKS Pod Identity hands it out, through an association where the cluster is known. With an
    OIDC provider the role trusts the service account's tokens instead (IRSA).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        parameters: Iterable[Parameter],
        key_arn: str | None = None,
        cluster_name: str | None = None,
        oidc_provider_arn: str | None = None,
    ) -> None:
        """Declare it. `key_arn` (default: none needed) is the customer key that the parameters
        are encrypted with, `cluster_name` (default: no association) the EKS cluster,
        `oidc_provider_arn` (default: Pod Identity) its IAM OIDC provider.
        """
        super().__init__(scope, construct_id)
        statements = [
            iam.PolicyStatement(
                actions=["ssm:GetParameter"],
                resources=parameter_arns(self, (parameter.path for parameter in parameters)),
            )
        ]
        if key_arn:
            statements.append(iam.PolicyStatement(actions=["kms:Decrypt"], resources=[key_arn]))
        principal = _irsa(oidc_provider_arn) if oidc_provider_arn else _pod_identity()
        self.role = iam.Role(
            self,
            "role",
            description="Reads the SSM parameters of Gnosis Analytics, for External Secrets",
            assumed_by=principal,
            inline_policies={"read": iam.PolicyDocument(statements=statements)},
        )
        if cluster_name and not oidc_provider_arn:
            eks.CfnPodIdentityAssociation(
                self,
                "association",
                cluster_name=cluster_name,
                namespace=NAMESPACE,
                service_account=SERVICE_ACCOUNT,
                role_arn=self.role.role_arn,
            )


def _pod_identity() -> iam.IPrincipal:
    return iam.SessionTagsPrincipal(
        iam.ServicePrincipal(
            "pods.eks.amazonaws.com",
            conditions={
                "StringEquals": {
                    "aws:RequestTag/kubernetes-namespace": NAMESPACE,
                    "aws:RequestTag/kubernetes-service-account": SERVICE_ACCOUNT,
                }
            },
        )
    )


def _irsa(provider_arn: str) -> iam.IPrincipal:
    issuer = provider_arn.partition(":oidc-provider/")[2]
    return iam.WebIdentityPrincipal(
        provider_arn,
        {
            "StringEquals": {
                f"{issuer}:aud": "sts.amazonaws.com",
                f"{issuer}:sub": f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}",
            }
        },
    )
