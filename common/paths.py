"""Paths of files on an instance. A path is defined only here.

The agent reads each path from this module when it needs it, so that tests can replace them.
"""

from pathlib import Path
from typing import Final

# What the image brings.
APP: Final = Path("/opt/c4/app")  # our own packages
VENV: Final = Path("/opt/c4/venv")  # Python with the packages of others
VERSIONS: Final = Path("/opt/c4/versions.json")  # of the programs in the image, by name
AGENT_PROGRAM: Final = Path("/usr/local/bin/c4-agent")
STATE: Final = Path("/var/lib/c4")  # home of the user c4
CONSUL_DATA: Final = Path("/var/lib/consul")  # home of the user consul

# What cloud-init writes, or `c4-agent bundle` on its behalf.
ETC: Final = Path("/etc/c4")
CONFIG: Final = ETC / "agent.json"  # agent.config, final at synth
INSTANCE: Final = ETC / "instance.json"  # agent.facts
BUNDLE: Final = ETC / "bundle.json"  # agent.bundle: where the other files are, and their digest
SERVICE: Final = ETC / "service.json"  # Consul service definition
LISTS: Final = ETC / "lists"  # consul-template's sources of Kamailio's lists
INITIAL_LISTS: Final = ETC / "initial"  # Kamailio lists before the first rendering
CONSUL_TEMPLATE: Final = ETC / "consul-template.hcl"
EDGE_RULES: Final = ETC / "edge.nft"  # of an SBC; kamailio.service loads it
RDS_CA: Final = ETC / "rds-ca.pem"  # from the image
TMPFILES: Final = Path("/etc/tmpfiles.d/c4.conf")  # makes the directories in /run/c4
UNITS: Final = Path("/etc/systemd/system")
CONSUL_CONFIG: Final = Path("/etc/consul.d")  # first configuration directory of the Consul agent
KAMAILIO_CONFIG: Final = Path("/etc/kamailio")
KAMAILIO_CFG: Final = KAMAILIO_CONFIG / "kamailio.cfg"
TLS_PROFILE: Final = KAMAILIO_CONFIG / "tls.cfg"  # of an SBC
OWN_AUTHORITIES: Final = KAMAILIO_CONFIG / "authorities.pem"  # `sip.tls.authorities`

# In memory, and made again at each boot.
RUN: Final = Path("/run/c4")
BOOTED: Final = RUN / "booted"  # its time is the end of `c4-agent boot`
FACTS: Final = RUN / "facts.json"  # instance.json and the public address
SECRETS: Final = RUN / "secrets"
CONSUL_TOKENS: Final = SECRETS / "consul.json"  # on Consul servers, for the agent
CONSUL: Final = RUN / "consul"  # second configuration directory of the Consul agent
CONSUL_TLS: Final = CONSUL / "tls"
KAMAILIO: Final = RUN / "kamailio"  # live lists, and the files below
LOCAL_CFG: Final = KAMAILIO / "local.cfg"  # the instance's own facts, as `#!define`s
TLS_CERTIFICATE: Final = KAMAILIO / "tls.pem"
TLS_KEY: Final = KAMAILIO / "tls-key.pem"
DIALOGS: Final = RUN / "dialogs"  # Kamailio writes there, the agent reads and deletes
RENDERED: Final = RUN / "rendered"  # consul-template's output, before validation
APPLIED: Final = RUN / "applied"  # for each list, the digest of the last one that was accepted
CONSUL_TEMPLATE_PID: Final = RENDERED / "consul-template.pid"
RTPENGINE_ENV: Final = RUN / "rtpengine.env"
ROUTER_CONFD_ENV: Final = RUN / "router-confd.env"
MAINTENANCE: Final = RUN / "maintenance"  # exists while the service was stopped on purpose
AGENT: Final = RUN / "agent"  # state that the agent keeps over its own restart
# Raft's peers.json for a server that continues alone; c4-quorum.path gives it to Consul
RECOVERY: Final = AGENT / "peers.json"
DRAIN: Final = AGENT / "drain.json"  # start of a drain, for a restarted agent

ROUTER_CONFD_SPOOL: Final = STATE / "router-confd"
