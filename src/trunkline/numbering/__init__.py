"""What a telephone number tells by itself: whether it is well formed and whose country it is."""
