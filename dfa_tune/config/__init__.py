"""What a user writes, validated: search spaces, claims, and the options that change them."""
