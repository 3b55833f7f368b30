"""AWS services inside the VPC."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from cdktf_cdktf_provider_aws.vpc_endpoint import VpcEndpoint
from constructs import Construct

from c4 import ports
from c4.instances.security_group import SecurityGroup
from settings.network import InterfaceEndpoint


class Endpoints(Construct):
    """S3 by gateway (free) and `services` by interface endpoints with their usual names.

    What an instance asks of AWS then depends on neither NAT nor internet.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        region: str,
        vpc_id: str,
        vpc_cidr: IPv4Network,
        route_table_ids: Sequence[str],
        subnet_ids: Sequence[str],
        services: Sequence[InterfaceEndpoint],
    ) -> None:
        super().__init__(scope, id_)
        VpcEndpoint(
            self,
            "s3",
            vpc_id=vpc_id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=list(route_table_ids),
            tags={"Name": f"{name}-s3"},
        )
        if not services:
            return
        group = SecurityGroup(
            self,
            "group",
            name=f"{name}-endpoints",
            purpose="Interface endpoints of AWS services",
            vpc_id=vpc_id,
        )
        group.allow_from(vpc_cidr, ports.HTTPS, "instances of the VPC")
        for service in services:
            VpcEndpoint(
                self,
                service.value,
                vpc_id=vpc_id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=list(subnet_ids),
                security_group_ids=[group.id],
                tags={"Name": f"{name}-{service}"},
            )
