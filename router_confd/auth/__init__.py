"""Authentication of calls and of API clients, and how credentials are stored."""
