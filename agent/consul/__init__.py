"""Consul: the local agent, and what servers do for the deployment."""
