"""What runs programs and keeps files on this host; the lab and the image stand on it."""
