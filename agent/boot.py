"""Boot of an instance: everything that must exist before its services start."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path

from agent import facts, log
from agent.aws import clients, eip, router_confd
from agent.config import Config
from agent.consul import credentials
from agent.errors import AgentError
from agent.facts import Facts
from agent.files.atomic import write
from agent.kamailio import certificate, tier_addresses
from agent.retry import until_done
from common import paths
from common.topology import Role


def boot(config: Config) -> None:
    """Write the files of `/run/c4`; each step is repeated until AWS lets it succeed."""
    instance = facts.load(paths.INSTANCE)
    if config.public_address:
        address = until_done("Elastic IP", lambda: _claim(config, instance))
        instance = instance.model_copy(update={"public_ip": address})
    write(paths.FACTS, instance.model_dump_json(indent=1, exclude_none=True) + "\n")
    log.info("facts", **json.loads(instance.model_dump_json()))
    if config.role.runs_kamailio:
        write_kamailio(instance)
    elif config.role is Role.RTP:
        write_rtpengine(config, instance)
    if config.role is Role.SBC:
        until_done("addresses of the tier", lambda: tier_addresses.refresh(config, owner="c4"))
        until_done("certificate", lambda: certificate.refresh(config, instance, owner="c4"))
    until_done("Consul secrets", lambda: credentials.write_all(config, instance))
    if config.role is Role.ROUTER_CONFD:
        until_done("router-confd secrets", lambda: router_confd.write_secrets(config, instance))
        until_done("database", lambda: router_confd.write_database(config, instance))
    if config.service is not None:
        write_service(instance)
    write(paths.BOOTED, "")


def _claim(config: Config, instance: Facts) -> IPv4Address:
    return eip.claim(clients.client("ec2", config.region), config.tags, instance.instance_id)


def write_kamailio(instance: Facts) -> None:
    """`local.cfg` of `#!define`s, and the lists that Kamailio starts with."""
    defines = {
        "PRIVATE_IP": instance.private_ip,
        "PUBLIC_IP": instance.advertised_ip,
        "NODE_ID": instance.node_id,
        "ZONE": instance.zone,
    }
    text = "".join(f"#!define {name} {value}\n" for name, value in defines.items())
    write(paths.KAMAILIO / paths.LOCAL_CFG.name, text)
    for source in sorted(_files(paths.INITIAL_LISTS)):
        target = paths.KAMAILIO / source.name
        if not target.exists():  # a list of before is better than the initial one
            write(target, source.read_text(encoding="utf-8"), owner="c4")


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []


def write_rtpengine(config: Config, instance: Facts) -> None:
    """Environment of rtpengine.service."""
    interface = str(instance.private_ip)
    if instance.public_ip is not None:
        interface += f"!{instance.public_ip}"  # bound here, advertised there
    write(
        paths.RTPENGINE_ENV,
        f"C4_INTERFACE={interface}\n"
        f"C4_LISTEN_NG={instance.private_ip}:{config.ports.ng}\n"
        f"C4_LISTEN_HTTP={instance.private_ip}:{config.ports.rtpengine_http}\n",
    )


def write_service(instance: Facts) -> None:
    """Consul's service definition: cloud-init's, with the address that was claimed."""
    try:
        definition = json.loads(paths.SERVICE.read_text(encoding="utf-8"))
        meta = definition["service"]["meta"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AgentError(f"{paths.SERVICE}: {error}") from None
    if instance.public_ip is not None:
        meta["public_ip"] = str(instance.public_ip)
    text = json.dumps(definition, indent=1) + "\n"
    write(paths.CONSUL / "service.json", text, mode=0o400, owner="consul")
