"""What must hold: the catalogue of requirements, and the schemas."""
