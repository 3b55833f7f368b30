"""Boot an instance: write everything that must exist before its services start."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path

from agent import log
from agent.aws import clients, eip, router_confd
from agent.config import Config
from agent.consul import credentials
from agent.errors import AgentError
from agent.facts import InstanceFacts
from agent.facts import load as load_facts
from agent.files.atomic import write
from agent.kamailio import certificate, tier_addresses
from agent.retry import repeat_until_success
from common import paths
from common.topology import Role


def boot(config: Config) -> None:
    """Write the files of `/run/c4`. Each step that needs AWS is repeated until it succeeds."""
    facts = load_facts(paths.INSTANCE)
    if config.public_address:
        address = repeat_until_success("Elastic IP", lambda: _claim(config, facts))
        facts = facts.model_copy(update={"public_ip": address})
    write(paths.FACTS, facts.model_dump_json(indent=1, exclude_none=True) + "\n")
    log.info("instance facts", **json.loads(facts.model_dump_json()))
    if config.role.runs_kamailio:
        write_kamailio(facts)
    elif config.role is Role.RTP:
        write_rtpengine(config, facts)
    if config.role is Role.SBC:
        repeat_until_success(
            "addresses of the tier", lambda: tier_addresses.refresh(config, owner="c4")
        )
        repeat_until_success("certificate", lambda: certificate.refresh(config, facts, owner="c4"))
    repeat_until_success("Consul secrets", lambda: credentials.write_all(config, facts))
    if config.role is Role.ROUTER_CONFD:
        repeat_until_success(
            "router-confd secrets", lambda: router_confd.write_secrets(config, facts)
        )
        repeat_until_success("database", lambda: router_confd.write_database(config, facts))
    if config.service is not None:
        write_service(facts)
    write(paths.BOOTED, "")


def _claim(config: Config, facts: InstanceFacts) -> IPv4Address:
    return eip.claim(clients.client("ec2", config.region), config.tags, facts.instance_id)


def write_kamailio(facts: InstanceFacts) -> None:
    """Write `local.cfg`, and the lists that Kamailio starts with."""
    write(paths.KAMAILIO / paths.LOCAL_CFG.name, local_cfg(facts))
    for source in sorted(_files(paths.INITIAL_LISTS)):
        target = paths.KAMAILIO / source.name
        if not target.exists():  # a list from before is better than the initial one
            write(target, source.read_text(encoding="utf-8"), owner="c4")


def local_cfg(facts: InstanceFacts) -> str:
    """What Kamailio has to know of its instance, as `#!define`s."""
    defines = {
        "PRIVATE_IP": facts.private_ip,
        "PUBLIC_IP": facts.advertised_ip,
        "NODE_ID": facts.node_id,
        "ZONE": facts.zone,
    }
    return "".join(f"#!define {name} {value}\n" for name, value in defines.items())


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []


def write_rtpengine(config: Config, facts: InstanceFacts) -> None:
    """Write the environment of rtpengine.service."""
    interface = str(facts.private_ip)
    if facts.public_ip is not None:
        interface += f"!{facts.public_ip}"  # bound to the first address, advertised as the second
    write(
        paths.RTPENGINE_ENV,
        f"C4_INTERFACE={interface}\n"
        f"C4_LISTEN_NG={facts.private_ip}:{config.ports.ng}\n"
        f"C4_LISTEN_HTTP={facts.private_ip}:{config.ports.rtpengine_http}\n",
    )


def write_service(facts: InstanceFacts) -> None:
    """Write Consul's service definition: cloud-init's, with the Elastic IP that was claimed."""
    try:
        definition = json.loads(paths.SERVICE.read_text(encoding="utf-8"))
        meta = definition["service"]["meta"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AgentError(f"{paths.SERVICE}: {error}") from None
    if facts.public_ip is not None:
        meta["public_ip"] = str(facts.public_ip)
    text = json.dumps(definition, indent=1) + "\n"
    write(paths.CONSUL / "service.json", text, mode=0o400, owner="consul")
