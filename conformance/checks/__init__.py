"""Library of the checks: API calls, views of answers, assertions, generators."""
