"""How threads behave: pure Python, no I/O."""
