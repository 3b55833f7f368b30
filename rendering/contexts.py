"""Context of the Kamailio templates."""

from __future__ import annotations

from dataclasses import dataclass

from common import cdr, kamailio, names, ports
from common.topology import Segment, Tier
from rendering import tables, variables
from rendering.tables import Declaration
from rendering.variables import SharedDeclaration
from settings.models import Deployment, DispatchAlgorithm, KamailioSize, Limits, Sip, Tenant

LOOKUP_TRIES = 3
JOIN_S = 12  # two rounds of the agents of both sides, 5 s each
# With two, at 5 % of packets lost, one command in a hundred found its rtpengine "dead" for seconds.
MEDIA_TRIES = 5
HANG_UP_S = 30  # the routers' clocks and messages, with much to spare
LAST_ROUTER_TIMES = 4  # as long as another: nobody else is left, and late is better than not
# Between refusing the first and all calls. Simulated at twice the capacity, 100 ms carry 96 to 98 %
# of what is possible, as three times `overload_ms` do, with half of the wait.
OVERLOAD_SPAN_MS = 100
# Free shared memory, in percent: below the second some new calls are refused, below the first all.
FREE_MEMORY = {Tier.SBC: (10, 25), Tier.ROUTER: (25, 40)}
# What an SBC sets aside of it for each call of the last seconds: one has taken 53 KiB when it is
# answered, and some 115 when it ends soon after, before the first is given back (measured). All of
# it, because the figure of what is free may be a second old.
YOUNG_CALL_KIB, YOUNG_S = 115, 3
HANDED_OVER = 90  # requests and refusals of a dead router, each tenth of a second
# Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
TLS_CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
)
PUBLIC_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
OWN_AUTHORITIES = "/etc/kamailio/authorities.pem"
TITLES = {Tier.SBC: "Session border controller", Tier.ROUTER: "Router"}


def _default_limits(limits: Limits) -> tuple[tuple[str, int | None, int | None], ...]:
    """By the kind that begins a limit's key in router-confd's answers; those that limit."""
    kinds = (
        ("tenant", limits.tenant_calls, limits.tenant_calls_per_s),
        ("ipbx", limits.pbx_calls, limits.pbx_calls_per_s),
        ("carrier_trunk", limits.trunk_calls, limits.trunk_calls_per_s),
    )
    return tuple(kind for kind in kinds if any(kind[1:]))


@dataclass(frozen=True)
class SipPorts:
    """Ports on which Kamailio listens."""

    sip: int = ports.SIP.number
    sips: int = ports.SIPS.number
    internal: int = ports.SIP_INTERNAL.number
    dmq: int = ports.DMQ.number
    http: int = ports.KAMAILIO_HTTP.number


@dataclass(frozen=True)
class Records:
    """How call records reach router-confd."""

    text: int = cdr.TEXT_LENGTH
    queued: int = 10_000
    list_bytes: int = 30_000  # of one request, and one record (3 KiB) more; router-confd takes 64
    interval_s: int = 2  # between rounds of sending again
    round: int = 90  # sent again in one
    told: int = 20_000  # records of all routers that each keeps for the others, about at most
    told_round: int = 500
    orphaned_s: int = 20  # its router would have delivered it
    refused_rounds: int = 8  # between tries of a record whose tenant router-confd does not know
    tries: int = 40  # of that: ten minutes


@dataclass(frozen=True)
class KamailioContext:
    """What the templates under `kamailio/` may use, for one tier of one tenant."""

    tier: str
    title: str
    tenant: str
    name: str  # logical host name of the tier, resolved by nobody
    ports: SipPorts
    sip: Sip
    ringing_end_s: int  # nothing of a call that rang and was not answered is left by then
    hang_up_s: int  # from the limit of a call until its SBC forgets it
    workers: int  # processes per UDP socket
    tcp_workers: int
    lookup_workers: int  # processes that ask router-confd
    vpc: str  # every address inside
    lookup_tries: int  # router-confd instances that a router asks about one call
    lookup_limit_ms: int  # a router knows the way of a call by then
    lookup_end_s: int  # nothing of its questions is left by then
    join_s: int  # the peers have told a node of their calls that long after its start
    media_tries: int  # times that a command is sent to an rtpengine
    media_try_ms: int
    own_network: str  # addresses that peers of the tier may have
    sbc_network: str  # addresses that SBCs may have
    set_new: int  # dispatcher set of routers that take new calls
    set_all: int  # dispatcher set of routers for requests within dialogs
    set_last: int  # the same, but never probed
    set_moved: int  # rtpengine set for calls whose rtpengine died
    algorithm: int
    call_load: bool  # choose the router with the fewest calls
    node_id_step: int
    ciphers: str  # OpenSSL's list, TLS 1.2
    authorities: str  # file of trusted authorities
    most_routers: int
    overload_span_ms: int
    free_memory: tuple[int, int]
    young_call_kib: int
    young_s: int
    last_router_times: int
    handed_over: int
    records: Records
    default_limits: tuple[tuple[str, int | None, int | None], ...]  # kind, calls, calls per second
    service: str  # Consul service names
    router_service: str
    rtp_service: str
    confd_service: str
    confd_port: int
    sources_key: str  # in Consul
    tables: tuple[Declaration, ...]
    shared_variables: tuple[SharedDeclaration, ...]

    @classmethod
    def of(cls, deployment: Deployment, tenant: Tenant, tier: Tier) -> KamailioContext:
        """Context of a tier that runs Kamailio; any other tier is a `ValueError`."""
        size = tenant.size(tier)
        if not isinstance(size, KamailioSize):
            raise ValueError(f"tier: {tier} runs no Kamailio; sbc and router do")
        segments = deployment.network.segments
        lookup_limit_ms = LOOKUP_TRIES * tenant.sip.lookup_timeout_ms + 500
        lookup_end_s = lookup_limit_ms // 1000 + 5
        call_load = tenant.sip.dispatch is DispatchAlgorithm.CALL_LOAD
        times = tables.Times(tenant.sip, tenant.sip.ringing_end_s, lookup_end_s)
        networks = {Segment.EDGE: str(segments.edge), Segment.INTERNAL: str(segments.internal)}
        return cls(
            tier=tier.value,
            title=TITLES[tier],
            tenant=tenant.name,
            name=names.record_route_name(tenant.name, tier),
            ports=SipPorts(),
            sip=tenant.sip,
            ringing_end_s=tenant.sip.ringing_end_s,
            hang_up_s=HANG_UP_S,
            workers=size.workers,
            tcp_workers=max(2, size.workers),
            lookup_workers=max(2, size.workers),
            vpc=str(deployment.network.cidr),
            lookup_tries=LOOKUP_TRIES,
            lookup_limit_ms=lookup_limit_ms,
            lookup_end_s=lookup_end_s,
            join_s=JOIN_S,
            media_tries=MEDIA_TRIES,
            media_try_ms=tenant.sip.media_timeout_ms // MEDIA_TRIES,
            own_network=networks[tier.segment],
            sbc_network=networks[Tier.SBC.segment],
            set_new=kamailio.DISPATCHER_SET_NEW,
            set_all=kamailio.DISPATCHER_SET_ALL,
            set_last=kamailio.DISPATCHER_SET_LAST,
            set_moved=kamailio.RTPENGINE_SET_MOVED,
            algorithm=tenant.sip.dispatch.kamailio_id,
            call_load=call_load,
            node_id_step=kamailio.NODE_ID_STEP,
            ciphers=TLS_CIPHERS,
            authorities=OWN_AUTHORITIES if tenant.sip.tls_authorities else PUBLIC_AUTHORITIES,
            most_routers=tenant.router.max,
            overload_span_ms=OVERLOAD_SPAN_MS,
            free_memory=FREE_MEMORY[tier],
            young_call_kib=YOUNG_CALL_KIB,
            young_s=YOUNG_S,
            last_router_times=LAST_ROUTER_TIMES,
            handed_over=HANDED_OVER,
            records=Records(),
            default_limits=_default_limits(tenant.limits),
            service=names.service_name(tenant.name, tier),
            router_service=names.service_name(tenant.name, Tier.ROUTER),
            rtp_service=names.service_name(tenant.name, Tier.RTP),
            confd_service=names.service_name(tenant.name, Tier.ROUTER_CONFD),
            confd_port=ports.ROUTER_CONFD_INTERNAL.number,
            sources_key=names.sources_key(tenant.name),
            tables=tables.declared(tier, times, call_load=call_load),
            shared_variables=variables.declared(tier, tenant.sip),
        )
