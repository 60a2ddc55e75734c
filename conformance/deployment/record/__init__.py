"""The record of exchanges: without secrets, and as commands that repeat them."""
