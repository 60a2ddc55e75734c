"""What checks are made of: asking, viewing, expecting, generating."""
