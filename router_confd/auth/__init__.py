"""Who sends a call, who uses the API, and how credentials are kept."""
