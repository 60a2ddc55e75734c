"""The contract: the catalogue of requirements, the operations and the schemas."""
