# Consul server, one per zone.
# Configuration of Consul agents and servers alike.
datacenter           = "demo"
data_dir             = "/var/lib/consul"
client_addr          = "127.0.0.1"
log_level            = "warn"
disable_update_check = true

# c4-boot adds an interval of its own for each instance.
retry_join = ["provider=aws region=eu-central-1 tag_key=c4:consul tag_value=demo"]

# An instance that stops leaves; gossip finds one that dies.
leave_on_terminate = true
reconnect_timeout  = "8h"

ports {
  http     = 8500
  dns      = 8600
  server   = 8300
  serf_lan = 8301
  serf_wan = -1
  grpc     = -1
  grpc_tls = -1
}

# A dead machine leaves every list after 2 to 3 s: a probe fails after 0.25 s, and its indirect
# repetition within the same 0.5 s. Suspicion lasts 3 * log10(nodes) * 0.5 s as soon as a second
# agent has noticed, and six times as long before that.
gossip_lan {
  gossip_interval = "100ms"
  probe_interval  = "500ms"
  probe_timeout   = "250ms"
  suspicion_mult  = 3
}

# RPC is encrypted, and a server must prove that it is one.
tls {
  defaults {
    ca_file         = "/run/c4/consul/tls/ca.pem"
    cert_file       = "/run/c4/consul/tls/server.pem"
    key_file        = "/run/c4/consul/tls/server-key.pem"
    verify_outgoing = true
  }
  internal_rpc {
    verify_incoming        = true
    verify_server_hostname = true
  }
}

# Nothing is allowed without a token; c4-boot writes the tokens to /run/c4/consul. While no
# server answers, the last decisions stay valid.
acl {
  enabled        = true
  default_policy = "deny"
  down_policy    = "extend-cache"
}

server           = true
bootstrap_expect = 3

# A new leader within seconds, because routing follows the catalogue.
performance {
  raft_multiplier = 1
}

# The group replaces a dead server, which must not count towards the quorum until then.
autopilot {
  cleanup_dead_servers      = true
  last_contact_threshold    = "2s"
  server_stabilization_time = "2s"
}

# Certificates for the agents, from the authority that belongs to Consul's service mesh.
connect {
  enabled = true
}

auto_encrypt {
  allow_tls = true
}
