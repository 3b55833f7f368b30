"""Facts that every part of the product shares: topology, ports, names, paths of an instance."""
