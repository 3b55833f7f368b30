"""A segment of the VPC: one subnet and one route table per zone."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network

from cdktf_cdktf_provider_aws.route import Route
from cdktf_cdktf_provider_aws.route_table import RouteTable
from cdktf_cdktf_provider_aws.route_table_association import RouteTableAssociation
from cdktf_cdktf_provider_aws.subnet import Subnet
from constructs import Construct

ANYWHERE = "0.0.0.0/0"


class SegmentSubnets(Construct):
    """Subnets of one segment. Without a `route_to_*` call it stays isolated."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        vpc_id: str,
        subnets: Mapping[str, IPv4Network],
        public_address_at_launch: bool = False,
    ) -> None:
        super().__init__(scope, id_)
        self._subnets: dict[str, Subnet] = {}
        self._tables: dict[str, RouteTable] = {}
        for zone, cidr in subnets.items():
            tags = {"Name": f"{name}-{zone}"}
            self._subnets[zone] = subnet = Subnet(
                self,
                f"subnet_{zone}",
                vpc_id=vpc_id,
                availability_zone=zone,
                cidr_block=str(cidr),
                map_public_ip_on_launch=public_address_at_launch,
                tags=tags,
            )
            self._tables[zone] = table = RouteTable(
                self, f"routes_{zone}", vpc_id=vpc_id, tags=tags
            )
            RouteTableAssociation(
                self, f"association_{zone}", subnet_id=subnet.id, route_table_id=table.id
            )

    @property
    def subnet_ids(self) -> list[str]:
        return [subnet.id for subnet in self._subnets.values()]

    @property
    def route_table_ids(self) -> list[str]:
        return [table.id for table in self._tables.values()]

    def subnet_id(self, zone: str) -> str:
        return self._subnets[zone].id

    def route_to_internet(self, gateway_id: str) -> None:
        for zone, table in self._tables.items():
            Route(
                self,
                f"internet_{zone}",
                route_table_id=table.id,
                destination_cidr_block=ANYWHERE,
                gateway_id=gateway_id,
            )

    def route_to_nat(self, gateway_ids: Mapping[str, str]) -> None:
        """Default route of each zone through that zone's NAT gateway."""
        for zone, table in self._tables.items():
            Route(
                self,
                f"nat_{zone}",
                route_table_id=table.id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=gateway_ids[zone],
            )
