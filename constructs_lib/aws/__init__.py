"""The constructs of SecretsStack: SSM SecureStrings, which CloudFormation cannot create natively,
and the IAM role of External Secrets, which reads them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from aws_cdk import ArnFormat, CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.model import Parameter

NAMESPACE = "external-secrets"
SERVICE_ACCOUNT = "external-secrets"
"""Both are defaults of the operator's Helm chart."""
_HANDLER = Path(__file__).with_name("secure_string_handler.py")
_INLINE_LIMIT = 4096


class SecureStrings(Construct):
    """SecureString parameters, each created by a create-only custom resource.

    Missing parameters are created with their placeholder; existing ones are adopted unchanged.
    Updates and deletions never change or delete a value. The function's code is inline in the
    template, so it does not change with the version of a library.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        parameters: Iterable[Parameter],
        tags: Mapping[str, str],
        key_arn: str | None = None,
    ) -> None:
        """Declare the parameters. Raises DeclarationError for a path declared twice.

        Args:
            scope: The stack.
            construct_id: ID of the construct.
            parameters: The parameters.
            tags: Tags for the created parameters.
            key_arn: ARN of a customer managed key. Default: the AWS managed key of SSM.
        """
        super().__init__(scope, construct_id)
        declared: dict[str, Parameter] = {}
        for parameter in parameters:
            if parameter.path in declared:
                raise DeclarationError(f"parameter {parameter.path} is declared twice; keep one")
            declared[parameter.path] = parameter
        function = self._function(_arns(self, declared), key_arn)
        for path, parameter in declared.items():
            CustomResource(
                self,
                path.split("/", 2)[2].replace("/", "-"),
                service_token=function.function_arn,
                resource_type="Custom::SecureString",
                service_timeout=Duration.minutes(5),
                properties={
                    "Name": path,
                    "Description": parameter.description,
                    "Placeholder": parameter.placeholder,
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                    **({"KeyId": key_arn} if key_arn else {}),
                },
            )

    def _function(self, parameters: list[str], key_arn: str | None) -> lambda_.Function:
        code = _HANDLER.read_text("utf-8")
        if len(code) > _INLINE_LIMIT:
            raise DeclarationError(
                f"has {len(code)} characters, but CloudFormation allows {_INLINE_LIMIT} inline; "
                "shorten it",
                where=_HANDLER,
            )
        month, destroy = logs.RetentionDays.ONE_MONTH, RemovalPolicy.DESTROY
        log = logs.LogGroup(self, "log", retention=month, removal_policy=destroy)
        return lambda_.Function(
            self,
            "function",
            description="Creates missing SSM SecureStrings; never changes or deletes one",
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler="index.handler",
            code=lambda_.Code.from_inline(code),
            timeout=Duration.minutes(2),
            log_group=log,
            role=self._role(parameters, key_arn, log),
        )

    def _role(self, parameters: list[str], key_arn: str | None, log: logs.LogGroup) -> iam.Role:
        create = ("ssm:AddTagsToResource", "ssm:GetParameterHistory", "ssm:PutParameter")
        statements = [
            _allow(parameters, *create),
            _allow([log.log_group_arn], "logs:CreateLogStream", "logs:PutLogEvents"),
        ]
        if key_arn:
            statements.append(_allow([key_arn], "kms:Encrypt"))
        return iam.Role(
            self,
            "role",
            description="Creates the SSM parameters of Gnosis Analytics",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"parameters": iam.PolicyDocument(statements=statements)},
        )


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
        arns = _arns(self, (parameter.path for parameter in parameters))
        statements = [_allow(arns, "ssm:GetParameter")]
        if key_arn:
            statements.append(_allow([key_arn], "kms:Decrypt"))
        self.role = iam.Role(
            self,
            "role",
            description="Reads the SSM parameters of Gnosis Analytics, for External Secrets",
            assumed_by=_service_account(oidc_provider_arn),
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


def _service_account(oidc_provider_arn: str | None) -> iam.IPrincipal:
    """The operator's service account, through IRSA or EKS Pod Identity."""
    if oidc_provider_arn:
        issuer = oidc_provider_arn.partition(":oidc-provider/")[2]
        subject = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
        token = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subject}
        return iam.WebIdentityPrincipal(oidc_provider_arn, {"StringEquals": token})
    tags = {
        "aws:RequestTag/kubernetes-namespace": NAMESPACE,
        "aws:RequestTag/kubernetes-service-account": SERVICE_ACCOUNT,
    }
    pods = iam.ServicePrincipal("pods.eks.amazonaws.com", conditions={"StringEquals": tags})
    return iam.SessionTagsPrincipal(pods)


def _allow(resources: list[str], *actions: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=resources)


def _arns(scope: Construct, paths: Iterable[str]) -> list[str]:
    """The ARNs of parameters in the stack's account and region."""
    return [
        Stack.of(scope).format_arn(
            service="ssm",
            resource="parameter",
            resource_name=path.removeprefix("/"),
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        for path in paths
    ]
