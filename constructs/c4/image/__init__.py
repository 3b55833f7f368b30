"""How the machine image is baked by EC2 Image Builder."""
