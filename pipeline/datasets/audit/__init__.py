"""What a user should know of their pictures before anything trains on them."""
