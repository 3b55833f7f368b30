"""Security groups whose rules read like sentences."""

from __future__ import annotations

from ipaddress import IPv4Network

from cdktf_cdktf_provider_aws.security_group import SecurityGroup as AwsSecurityGroup
from cdktf_cdktf_provider_aws.vpc_security_group_egress_rule import VpcSecurityGroupEgressRule
from cdktf_cdktf_provider_aws.vpc_security_group_ingress_rule import VpcSecurityGroupIngressRule
from constructs import Construct

from c4.ports import Port

ANYWHERE = IPv4Network("0.0.0.0/0")


class SecurityGroup(Construct):
    """A group that allows nothing until a rule says so, in or out."""

    def __init__(self, scope: Construct, id_: str, *, name: str, purpose: str, vpc_id: str) -> None:
        super().__init__(scope, id_)
        self.name = name
        self._group = AwsSecurityGroup(
            self, "group", name=name, description=purpose, vpc_id=vpc_id, tags={"Name": name}
        )

    @property
    def id(self) -> str:
        return self._group.id

    def allow_from(self, source: IPv4Network, port: Port, why: str) -> None:
        """Let addresses in."""
        VpcSecurityGroupIngressRule(
            self,
            f"from_{_word(source)}_{port}",
            security_group_id=self.id,
            description=why,
            cidr_ipv4=str(source),
            ip_protocol=port.protocol,
            from_port=port.first,
            to_port=port.end,
        )

    def allow_to(self, target: IPv4Network, port: Port, why: str) -> None:
        """Let this group's instances open connections to addresses."""
        VpcSecurityGroupEgressRule(
            self,
            f"to_{_word(target)}_{port}",
            security_group_id=self.id,
            description=why,
            cidr_ipv4=str(target),
            ip_protocol=port.protocol,
            from_port=port.first,
            to_port=port.end,
        )

    def reach(self, target: SecurityGroup, port: Port, why: str) -> None:
        """Open a port of `target` to this group: the rule on both sides."""
        VpcSecurityGroupEgressRule(
            self,
            f"to_{target.node.path.split('/', 1)[1].replace('/', '_')}_{port}",
            security_group_id=self.id,
            description=why,
            referenced_security_group_id=target.id,
            ip_protocol=port.protocol,
            from_port=port.first,
            to_port=port.end,
        )
        VpcSecurityGroupIngressRule(
            target,
            f"from_{self.node.path.split('/', 1)[1].replace('/', '_')}_{port}",
            security_group_id=target.id,
            description=why,
            referenced_security_group_id=self.id,
            ip_protocol=port.protocol,
            from_port=port.first,
            to_port=port.end,
        )


def _word(network: IPv4Network) -> str:
    return "anywhere" if network == ANYWHERE else str(network).replace("/", "_")
