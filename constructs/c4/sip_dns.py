"""The host name under which carriers and PBXs reach a tenant's SBCs (RFC 3263)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.route53_health_check import Route53HealthCheck
from cdktf_cdktf_provider_aws.route53_record import Route53Record
from constructs import Construct

from common import ports
from settings.dns import DnsName as DnsSettings

CHECK_INTERVAL_S = 10  # the shortest that Route 53 offers
CHECK_FAILURES = 2  # in a row, until an address is left out


@dataclass(frozen=True)
class _Transport:
    """A transport as SRV and NAPTR records name it; the lower `order` is preferred."""

    service: str
    naptr: str
    port: int
    order: int


TRANSPORTS = (
    _Transport("_sips._tcp", "SIPS+D2T", ports.SIPS.number, 10),
    _Transport("_sip._udp", "SIP+D2U", ports.SIP.number, 20),
    _Transport("_sip._tcp", "SIP+D2T", ports.SIP.number, 30),
)


class SipName(Construct):
    """NAPTR, SRV and A records of one name.

    Every address of the pool has an A record, which Route 53 answers only while the address
    accepts TCP connections on the SIP port: spare addresses and dead SBCs are left out.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: DnsSettings,
        addresses: Sequence[str],
    ) -> None:
        super().__init__(scope, id_)
        self._zone, self._ttl = settings.zone_id, settings.ttl_s
        for number, address in enumerate(addresses, start=1):
            self._address(number, settings.name, address)
        for t in TRANSPORTS:
            self._record(
                f"srv{t.service.replace('.', '')}",
                f"{t.service}.{settings.name}",
                "SRV",
                [f"10 10 {t.port} {settings.name}."],
            )
        self._record(
            "naptr",
            settings.name,
            "NAPTR",
            [f'{t.order} 10 "s" "{t.naptr}" "" {t.service}.{settings.name}.' for t in TRANSPORTS],
        )

    def _address(self, number: int, name: str, address: str) -> None:
        check = Route53HealthCheck(
            self,
            f"check_{number}",
            type="TCP",
            ip_address=address,
            port=ports.SIP.number,
            request_interval=CHECK_INTERVAL_S,
            failure_threshold=CHECK_FAILURES,
            tags={"Name": f"{name} {number}"},
        )
        Route53Record(
            self,
            f"address_{number}",
            zone_id=self._zone,
            name=name,
            type="A",
            ttl=self._ttl,
            records=[address],
            set_identifier=str(number),
            multivalue_answer_routing_policy=True,
            health_check_id=check.id,
        )

    def _record(self, id_: str, name: str, kind: str, values: list[str]) -> None:
        Route53Record(
            self, id_, zone_id=self._zone, name=name, type=kind, ttl=self._ttl, records=values
        )
