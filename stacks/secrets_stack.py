"""SecretsStack."""

from collections.abc import Iterable

from aws_cdk import CfnOutput, Environment, RemovalPolicy, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from constructs import Construct

from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION, Installation
from catalogue.parameters import Parameters
from catalogue.stack_outputs import STACK
from constructs_lib.aws import ExternalSecretsRole, SecureStrings
from constructs_lib.model import Host, Parameter

_TAGS = {"app.kubernetes.io/part-of": "gnosis-analytics", "managed-by": STACK}


class SecretsStack(Stack):
    """The SSM parameters, the role that reads them, and the load balancers' certificate."""

    def __init__(
        self,
        scope: Construct,
        installation: Installation = INSTALLATION,
        parameters: Iterable[Parameter] = Parameters,
        hosts: Iterable[Host] = Hosts,
    ) -> None:
        account = installation.account
        super().__init__(
            scope,
            STACK,
            description="SSM parameters and load balancer certificate of Gnosis Analytics",
            env=Environment(account=account, region=installation.region) if account else None,
            termination_protection=True,
            tags=_TAGS,
        )
        known = list(parameters)
        strings = SecureStrings(
            self,
            "parameters",
            parameters=known,
            tags=_TAGS,
            key_arn=installation.kms_key_arn,
        )
        reader = ExternalSecretsRole(
            self,
            "external-secrets",
            parameters=known,
            key_arn=installation.kms_key_arn,
            cluster_name=installation.cluster_name,
            oidc_provider_arn=installation.oidc_provider_arn,
        )
        zone_id = installation.hosted_zone_id
        zone = zone_id and route53.HostedZone.from_hosted_zone_id(self, "zone", zone_id)
        name, *others = (host.fqdn for host in hosts)
        certificate = acm.Certificate(
            self,
            "certificate",
            domain_name=name,
            subject_alternative_names=others,
            validation=acm.CertificateValidation.from_dns(zone or None),
        )
        # Changed names create a new certificate; the load balancers use the old one until synced.
        certificate.apply_removal_policy(RemovalPolicy.RETAIN)
        # The certificate waits for its DNS validation; the parameters must not wait for it.
        certificate.node.add_dependency(strings)

        CfnOutput(self, "CertificateArn", value=certificate.certificate_arn)
        CfnOutput(self, "ExternalSecretsRoleArn", value=reader.role.role_arn)
        CfnOutput(self, "Region", value=self.region)
