"""The pipeline of EC2 Image Builder that builds the machine image."""
