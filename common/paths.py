"""Where things lie on an instance."""

from pathlib import Path
from typing import Final

CONFIG: Final = Path("/etc/c4/agent.json")  # agent.config, final at synth
INSTANCE: Final = Path("/etc/c4/instance.json")  # agent.facts, by cloud-init
SERVICE: Final = Path("/etc/c4/service.json")  # Consul service definition, by cloud-init
INITIAL_LISTS: Final = Path("/etc/c4/initial")  # Kamailio lists before the first rendering

RUN: Final = Path("/run/c4")  # tmpfs; made by /etc/tmpfiles.d/c4.conf
BOOTED: Final = RUN / "booted"  # its time is the end of `c4-agent boot`
FACTS: Final = RUN / "facts.json"  # instance.json and the public address
SECRETS: Final = RUN / "secrets"
CONSUL_TOKENS: Final = SECRETS / "consul.json"  # on Consul servers, for the agent
CONSUL: Final = RUN / "consul"  # second configuration directory of the Consul agent
CONSUL_TLS: Final = CONSUL / "tls"
KAMAILIO: Final = RUN / "kamailio"  # live lists and local.cfg
DIALOGS: Final = RUN / "dialogs"  # Kamailio writes there, the agent reads and deletes
RENDERED: Final = RUN / "rendered"  # consul-template's output, before validation
APPLIED: Final = RUN / "applied"  # digest of the last list that Kamailio accepted
RTPENGINE_ENV: Final = RUN / "rtpengine.env"
ROUTER_CONFD_ENV: Final = RUN / "router-confd.env"
MAINTENANCE: Final = RUN / "maintenance"  # exists while the service was stopped on purpose
# Raft's peers.json for a server that goes on alone; c4-quorum.path hands it to Consul
RECOVERY: Final = RUN / "agent" / "peers.json"
DRAIN: Final = RUN / "agent" / "drain.json"  # start of a drain, for a restarted agent

RDS_CA: Final = Path("/etc/c4/rds-ca.pem")
ROUTER_CONFD_SPOOL: Final = Path("/var/lib/c4/router-confd")
