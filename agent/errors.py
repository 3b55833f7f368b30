"""The error that the agent reports in one line."""


class AgentError(Exception):
    """An error that an operator can understand and act on; shown without a traceback."""
