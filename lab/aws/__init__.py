"""The AWS side of the local cloud: moto, and the services that it lacks."""
