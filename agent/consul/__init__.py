"""Consul: the client of the local agent, and the duties of the servers."""
