"""The parts of a group of identical instances."""
