"""Errors that the agent reports in one line."""


class AgentError(Exception):
    """Something an operator can read and act on; never shown with a traceback."""
