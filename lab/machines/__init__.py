"""Machines of the local cloud: instances, databases, hosts of the internet side."""
