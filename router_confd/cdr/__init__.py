"""Call records: into the database, each exactly once."""
