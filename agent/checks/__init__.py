"""Health checks: probes of the services, their HTTP endpoint, and the self-check."""
