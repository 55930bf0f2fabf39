"""Whether the server serves: for supervisors and balancers, so no token is needed."""

from omnitornado.web.base import BaseHandler


class HealthHandler(BaseHandler):
    """`/healthz`: 200 `ok`, or 503 once the server is stopping."""

    event = "health"

    def check_request(self) -> None:
        """Any Host will do: a balancer asks by address."""

    def get(self) -> None:
        is_stopping = self.services.in_flight.is_stopping
        self.set_status(503 if is_stopping else 200)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish("stopping" if is_stopping else "ok")
