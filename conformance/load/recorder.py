"""What is kept of the requests of the load: figures, and a few answers by 500."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from conformance.deployment.delivery.trouble import Trouble
from conformance.deployment.ownership.created_by_check import CreatedByCheck
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.recorder import Recorder
from conformance.load.story import REQUEST_NAME

#: What stands for the status of a request that got no answer.
NO_ANSWER = "no answer"
#: How many answers by 500 are quoted of one operation.
_QUOTED = 3
#: Called with the name of a request, its duration in milliseconds, and its failure, or an empty
#: text.
OnRequest = Callable[[str, float, str], None]


class LoadRecorder(Recorder):
    """A recorder that passes each request on to `on_request`, and keeps no content of it.

    Only of the answers by 500 a few are kept for each operation, as evidence, and all are counted.
    """

    def __init__(self, file: Path | None, redactor: Redactor, on_request: OnRequest) -> None:
        super().__init__(file, redactor)
        self._on_request = on_request
        #: By operation: how many of its requests were answered by 500.
        self.times: Counter[str] = Counter()

    def add(self, exchange: Exchange, *, of_check: bool = True) -> None:
        """Count one request. Without `of_check` it is one of the suite's own."""
        name = (REQUEST_NAME.get() if of_check else "") or exchange.operation
        self._on_request(name, exchange.elapsed_ms, failure_of(exchange, of_check=of_check))
        if exchange.is_server_error:
            self.times[exchange.operation] += 1
            if self.times[exchange.operation] <= _QUOTED:
                self.server_errors.append(exchange)
        # A check would read these at its end; a load has none.
        self.strangers.clear()
        if exchange.operation == "delete":
            self.created_by_check = CreatedByCheck()

    def record_trouble(self, trouble: Trouble) -> None:
        """Keep nothing: the request that met the trouble is counted by its status."""

    def accept_as_answers(self, troubles: list[Trouble], certain: bool) -> None:
        """Keep nothing: an answer that resembles trouble is counted by its status."""


def failure_of(exchange: Exchange, *, of_check: bool) -> str:
    """Return the status of a request that failed, or `NO_ANSWER`; empty if it did not fail."""
    status = exchange.status
    if status is None:
        return NO_ANSWER
    if of_check:
        return "" if 200 <= status < 300 else str(status)
    # One of the suite's own, such as a proof by GET, may be answered by 404 as it should be.
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    return str(status) if failed else ""
