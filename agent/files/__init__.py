"""Files that the agent writes."""
