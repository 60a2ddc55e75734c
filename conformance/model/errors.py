"""Errors of the model; a deployment maps each to an HTTP status."""


class ModelError(Exception):
    """The request is refused and nothing was changed; the message says how to correct it."""


class NotFoundError(ModelError):
    """A resource that the request names does not exist (HTTP: 404)."""


class ConflictError(ModelError):
    """The request conflicts with the current state of a resource (HTTP: 409)."""


class InvalidError(ModelError):
    """The request is malformed or makes no sense (HTTP: 422)."""
