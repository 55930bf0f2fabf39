"""Whether the server serves: for supervisors and balancers, so no token is needed."""

from omnitornado.log import format_event
from omnitornado.web.base import BaseHandler


class HealthHandler(BaseHandler):
    """`/healthz`: 200 `ok`, or 503 once the server is stopping.

    200 `degraded` where the store takes no change: living tokens go on being served, so a balancer must not
    turn away who has one, and a restart would help nobody. With `?verbose` each server behind this one has a
    line; it says nothing of why one fails, for anyone may ask.
    """

    event = "health"
    is_audited = False

    def check_request(self) -> None:
        """Any Host will do: a balancer asks by address."""

    def get(self) -> None:
        is_stopping, outage = self.services.in_flight.is_stopping, self.services.store.outage
        self.set_status(503 if is_stopping else 200)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        degraded = "ok" if outage is None else f"degraded store={outage}"
        lines = ["stopping" if is_stopping else degraded]
        if self.request.query.partition("=")[0] == "verbose":
            lines += [
                format_event(f"upstream {one.name}", state=one.state, path=one.path, children=one.children)
                for one in self.services.find_health()
            ]
        self.finish("\n".join(lines))
