"""Documentation that is generated from the code: settings, ports, architecture, faults."""
