"""Documentation that comes from the code: settings, ports, architecture, faults."""
