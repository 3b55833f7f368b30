"""Places where a new user sits: containers and plain machines, made of a bare Debian."""
