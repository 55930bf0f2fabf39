"""A line of the log for each request."""

import logging

from tornado.web import RequestHandler

from omnitornado.log import log_event, logger


def log_request(handler: RequestHandler) -> None:
    """One line for each request, at debug level, and never its query: the path says enough."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    request = handler.request
    log_event(
        "http.request",
        level=logging.DEBUG,
        method=request.method,
        path=request.path,
        status=handler.get_status(),
        milliseconds=round(request.request_time() * 1000, 1),
    )
