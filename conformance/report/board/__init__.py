"""The board: a table of requirements against deployments, made from reports."""
