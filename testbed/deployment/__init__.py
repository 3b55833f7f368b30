"""A deployment on the local cloud: faults, traffic, records."""
