"""Small algorithms with some work in each."""
