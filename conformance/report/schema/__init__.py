"""Comparison of a deployment's own OpenAPI document with the contract."""
