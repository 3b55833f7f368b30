"""Consul servers and agents on loopback."""
