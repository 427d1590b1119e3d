"""The IAM role of External Secrets."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.aws.secure_strings import parameter_arns
from constructs_lib.model import Parameter

NAMESPACE = "external-secrets"
SERVICE_ACCOUNT = "external-secrets"
"""Both are defaults of the operator's Helm chart."""


class ExternalSecretsRole(Construct):
    """An IAM role for the operator's service account, with `ssm:GetParameter` on the parameters.

    It is assumed through EKS Pod Identity or, with an OIDC provider, through IRSA.
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
        """Declare the role.

        Args:
            scope: The stack.
            construct_id: ID of the construct.
            parameters: Parameters that the role may read.
            key_arn: Customer managed key of the parameters. Default: the AWS managed key.
            cluster_name: EKS cluster for the Pod Identity association. Default: no association.
            oidc_provider_arn: IAM OIDC provider of the cluster, for IRSA. Default: Pod Identity.
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
