"""The VPC that all tenants of a deployment share."""

from __future__ import annotations

from dataclasses import dataclass

from cdktf import TerraformOutput, TerraformStack
from constructs import Construct

from c4.bucket import PrivateBucket
from c4.key import EncryptionKey
from c4.network.endpoints import Endpoints
from c4.network.flow_logs import FlowLogs
from c4.network.nat import NatGateways
from c4.network.segment import SegmentSubnets
from c4.network.vpc import Vpc
from c4.stack import DeploymentStack
from common.names import files_bucket, resource_name
from common.topology import Segment
from settings.deployment import Deployment
from settings.network import InterfaceEndpoint

STACK = "network"


@dataclass(frozen=True)
class NetworkOutputs:
    """Outputs of this stack that other stacks read: ids, the key's ARN, a bucket's name."""

    vpc_id: str
    key: str
    files_bucket: str  # for the files of instances
    subnet_ids: dict[Segment, list[str]]


class NetworkStack(DeploymentStack):
    """VPC, four segments over the zones, routes, NAT, endpoints, flow logs, key, bucket."""

    def __init__(self, scope: Construct, *, deployment: Deployment) -> None:
        super().__init__(scope, STACK, deployment=deployment)
        settings = deployment.network
        name = resource_name(deployment.deployment)

        self.key = EncryptionKey(self, "encryption", name=name, account=self.account)
        bucket = files_bucket(deployment.deployment, self.account.id)
        # Old versions are for rollbacks. A version has 15 kB, so they may stay.
        self.files = PrivateBucket(self, "files", name=bucket, key=self.key.arn, expire_old=False)
        self.vpc = Vpc(self, "network", name=name, cidr=settings.cidr)
        self.segments = {segment: self._segment(segment, name) for segment in Segment}
        self._connect(name)
        Endpoints(
            self,
            "endpoints",
            name=name,
            region=deployment.region,
            vpc_id=self.vpc.id,
            vpc_cidr=settings.cidr,
            route_table_ids=[i for s in self.segments.values() for i in s.route_table_ids],
            subnet_ids=self.segments[Segment.INTERNAL].subnet_ids,
            services=sorted(settings.interface_endpoints),
        )
        FlowLogs(
            self,
            "flow_logs",
            name=name,
            account=self.account,
            vpc_id=self.vpc.id,
            days=settings.flow_log_days,
            key=self.key.arn,
        )
        self._outputs()

    def _segment(self, segment: Segment, name: str) -> SegmentSubnets:
        # Without an EC2 endpoint an instance needs a public address to claim its Elastic IP.
        endpoints = self.deployment.network.interface_endpoints
        return SegmentSubnets(
            self,
            segment.value,
            name=f"{name}-{segment}",
            vpc_id=self.vpc.id,
            subnets=self.deployment.subnets(segment),
            public_address_at_launch=segment.is_public and InterfaceEndpoint.EC2 not in endpoints,
        )

    def _connect(self, name: str) -> None:
        edge = self.segments[Segment.EDGE]
        zones = self.deployment.zones
        served = zones if self.deployment.network.nat_gateways == "per-zone" else zones[:1]
        nat = NatGateways(
            self,
            "nat",
            name=name,
            subnet_ids={zone: edge.subnet_id(zone) for zone in served},
            zones=zones,
            internet=self.vpc.internet_gateway,
        )
        for segment, subnets in self.segments.items():
            if segment.is_public:
                subnets.route_to_internet(self.vpc.internet_gateway_id)
        self.segments[Segment.INTERNAL].route_to_nat(nat.gateway_ids)

    def _outputs(self) -> None:
        TerraformOutput(self, "vpc_id", static_id=True, value=self.vpc.id)
        TerraformOutput(self, "key_arn", static_id=True, value=self.key.arn)
        TerraformOutput(self, "files_bucket", static_id=True, value=self.files.name)
        for segment, subnets in self.segments.items():
            TerraformOutput(self, f"{segment}_subnet_ids", static_id=True, value=subnets.subnet_ids)

    def read_from(self, reader: TerraformStack) -> NetworkOutputs:
        """This network's ids, as tokens that `reader` looks up in this stack's state."""
        state = self.outputs_for(reader)
        return NetworkOutputs(
            vpc_id=state.get_string("vpc_id"),
            key=state.get_string("key_arn"),
            files_bucket=state.get_string("files_bucket"),
            subnet_ids={s: state.get_list(f"{s}_subnet_ids") for s in Segment},
        )
