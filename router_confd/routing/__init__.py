"""Where a call goes, and whom calls may come from."""
