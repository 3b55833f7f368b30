"""What a group of equal instances consists of."""
