"""router-confd processes on a PostgreSQL of their own."""
