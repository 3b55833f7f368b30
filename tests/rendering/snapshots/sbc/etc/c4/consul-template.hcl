# consul-template: lists of the tenant's services, validated and swapped in by `c4-agent apply`.
# While Consul has no leader, queries fail and are repeated, and the rendered lists stay.
consul {
  address = "127.0.0.1:8500"

  retry {
    attempts    = 0
    backoff     = "250ms"
    max_backoff = "2s"
  }
}

# New servers count their changes from zero. A query for changes after the last one of the old
# servers would not be answered before it ends.
block_query_wait = "10s"

max_stale   = "10m"
kill_signal = "SIGTERM"
pid_file    = "/run/c4/rendered/consul-template.pid"
log_level   = "warn"

template {
  source      = "/etc/c4/lists/dispatcher.list.ctmpl"
  destination = "/run/c4/rendered/dispatcher.list"
  perms       = 0644
  command     = ["/usr/local/bin/c4-agent", "apply", "--retry-later", "dispatcher.list"]
}

template {
  source      = "/etc/c4/lists/dmq.ctmpl"
  destination = "/run/c4/rendered/dmq"
  perms       = 0644
  command     = ["/usr/local/bin/c4-agent", "apply", "--retry-later", "dmq"]
}

template {
  source      = "/etc/c4/lists/draining-routers.ctmpl"
  destination = "/run/c4/rendered/draining-routers"
  perms       = 0644
  command     = ["/usr/local/bin/c4-agent", "apply", "--retry-later", "draining-routers"]
}

template {
  source      = "/etc/c4/lists/provisioned-sources.ctmpl"
  destination = "/run/c4/rendered/provisioned-sources"
  perms       = 0644
  command     = ["/usr/local/bin/c4-agent", "apply", "--retry-later", "provisioned-sources"]
}
