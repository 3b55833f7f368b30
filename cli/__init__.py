"""The `c4` command: the demo on the local cloud, checks of settings, generated documentation."""
