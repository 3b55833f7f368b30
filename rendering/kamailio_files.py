"""The Kamailio files of an instance."""

from __future__ import annotations

from typing import Final

from common import kamailio, paths
from common.topology import Tier
from rendering.contexts import KamailioContext
from rendering.files import File
from rendering.templates import render
from settings.deployment import Deployment
from settings.tenant import Tenant

# Empty tables for Kamailio's first start, before any list was rendered.
_HTABLE = f"{kamailio.HTABLE_HEAD}\n"
_VERSIONS = "id(int,auto) table_name(string) table_version(int)\n"
_SBC_VERSIONS = (
    f"{_VERSIONS}0:{kamailio.DOMAIN_TABLE}:2\n1:domain_attrs:1\n"
    f"2:{kamailio.DRAINING_ROUTERS}:2\n3:{kamailio.PROVISIONED_SOURCES}:2\n"
)
_ROUTER_VERSIONS = (
    f"{_VERSIONS}0:{kamailio.RTPENGINE_LIST}:1\n1:{kamailio.ROUTER_CONFD_LIST}:2\n"
    f"2:{kamailio.UACREG_TABLE}:5\n"
)
INITIAL: Final[dict[Tier, dict[str, str]]] = {
    # The table `domain` itself comes from the agent: the tier's public addresses.
    Tier.SBC: {
        kamailio.DRAINING_ROUTERS: _HTABLE,
        kamailio.PROVISIONED_SOURCES: _HTABLE,
        kamailio.DISPATCHER_LIST: "# no router is known yet\n",
        "version": _SBC_VERSIONS,
        "domain_attrs": f"{kamailio.DOMAIN_ATTRIBUTES_HEAD}\n",
    },
    Tier.ROUTER: {
        "version": _ROUTER_VERSIONS,
        kamailio.RTPENGINE_LIST: f"{kamailio.RTPENGINE_HEAD}\n",
        kamailio.ROUTER_CONFD_LIST: _HTABLE,
        # The agent fills this table with registrations at carriers, including passwords.
        kamailio.UACREG_TABLE: f"{kamailio.UACREG_HEAD}\n",
    },
}


def kamailio_files(deployment: Deployment, tenant: Tenant, tier: Tier) -> tuple[File, ...]:
    """Kamailio's configuration, its list templates and its initial lists.

    Empty for a tier that runs no Kamailio.
    """
    if not tier.runs_kamailio:
        return ()
    context = KamailioContext.of(deployment, tenant, tier)
    return (
        File(str(paths.KAMAILIO_CFG), configuration(context)),
        *(_sbc(context, tenant) if tier is Tier.SBC else ()),
        *(
            File(
                f"{paths.LISTS}/{name}.ctmpl",
                render(f"kamailio/consul-template/{name}.ctmpl.j2", context),
            )
            for name in kamailio.LISTS[tier]
        ),
        *(File(f"{paths.INITIAL_LISTS}/{name}", text) for name, text in INITIAL[tier].items()),
    )


def configuration(context: KamailioContext) -> str:
    """`kamailio.cfg` of a tier, without indentation.

    User data has a limit of 16 KiB, and deflate looks 32 KiB back: an indented SBC would not fit.
    """
    text = render(f"kamailio/{context.tier}.cfg.j2", context)
    return "".join(line.lstrip(" ") for line in text.splitlines(keepends=True))


def _sbc(context: KamailioContext, tenant: Tenant) -> tuple[File, ...]:
    """TLS profile and kernel rules; certificate and key come from Secrets Manager at boot."""
    rules = File(str(paths.EDGE_RULES), render("kamailio/sbc/edge.nft.j2", context))
    profile = File(str(paths.TLS_PROFILE), render("kamailio/sbc/tls.cfg.j2", context))
    if tenant.sip.tls.authorities is None:
        return rules, profile
    authorities = File(str(paths.OWN_AUTHORITIES), tenant.sip.tls.authorities.strip() + "\n")
    return rules, profile, authorities
