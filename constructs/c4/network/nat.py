"""NAT for the internal segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_aws.eip import Eip
from cdktf_cdktf_provider_aws.nat_gateway import NatGateway
from constructs import Construct


class NatGateways(Construct):
    """NAT gateways in the public subnets of `subnet_ids`, which maps zone to subnet.

    `zones` are the zones to serve; a zone without a gateway of its own uses the first one.
    `internet` is the internet gateway of the VPC. EC2 needs it before and until after these.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        subnet_ids: Mapping[str, str],
        zones: Sequence[str],
        internet: ITerraformDependable,
    ) -> None:
        super().__init__(scope, id_)
        gateways: dict[str, str] = {}
        for zone, subnet_id in subnet_ids.items():
            tags = {"Name": f"{name}-nat-{zone}"}
            address = Eip(self, f"address_{zone}", domain="vpc", tags=tags, depends_on=[internet])
            gateway = NatGateway(
                self,
                f"gateway_{zone}",
                allocation_id=address.allocation_id,
                subnet_id=subnet_id,
                tags=tags,
                depends_on=[internet],
            )
            gateways[zone] = gateway.id
        first = next(iter(gateways.values()))
        self.gateway_ids = {zone: gateways.get(zone, first) for zone in zones}
