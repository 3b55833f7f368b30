"""The VPC with its internet gateway."""

from __future__ import annotations

from ipaddress import IPv4Network

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_aws.default_security_group import DefaultSecurityGroup
from cdktf_cdktf_provider_aws.internet_gateway import InternetGateway
from cdktf_cdktf_provider_aws.vpc import Vpc as AwsVpc
from constructs import Construct


class Vpc(Construct):
    """VPC with DNS, an internet gateway, and a default security group that allows nothing."""

    def __init__(self, scope: Construct, id_: str, *, name: str, cidr: IPv4Network) -> None:
        super().__init__(scope, id_)
        self._vpc = AwsVpc(
            self,
            "vpc",
            cidr_block=str(cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": name},
        )
        self._gateway = InternetGateway(self, "internet", vpc_id=self.id, tags={"Name": name})
        DefaultSecurityGroup(
            self, "default_group", vpc_id=self.id, tags={"Name": f"{name}-unused-default"}
        )

    @property
    def id(self) -> str:
        return self._vpc.id

    @property
    def internet_gateway_id(self) -> str:
        return self._gateway.id

    @property
    def internet_gateway(self) -> ITerraformDependable:
        """What addresses and NAT gateways depend on: EC2 refuses them without it."""
        return self._gateway
