"""What the model refuses, by meaning; a deployment turns each into its status."""


class ModelError(Exception):
    """A request that is refused; nothing has changed. The message says what to do."""


class NotFoundError(ModelError):
    """What the request names does not exist (HTTP: 404)."""


class ConflictError(ModelError):
    """What the request asks for collides with what there is (HTTP: 409)."""


class InvalidError(ModelError):
    """The request says something that cannot be meant (HTTP: 422)."""
