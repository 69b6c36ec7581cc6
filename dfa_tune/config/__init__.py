"""What a user writes, validated: search spaces, claims, options on top of them."""
