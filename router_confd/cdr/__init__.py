"""Call records, each stored in the database exactly once."""
