"""What a person types: each command reads its options and calls one function."""
