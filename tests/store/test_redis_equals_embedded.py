"""Both engines do the same: any sequence of transitions gives the same answers at either."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.records import Grant
from omnitornado.store.transitions import RunningStore

from .conftest import SMALL
from .redis_server import RedisServer
from .redis_stores import opened
from .samples import (
    START,
    Clock,
    build_access,
    build_address,
    build_binding,
    build_client,
    build_code,
    build_consent,
    build_device,
    build_document,
    build_grant,
    build_mcp_session,
    build_pushed,
    build_session,
    build_successor,
    build_task,
    digest,
)

Step = Callable[[RunningStore], Awaitable[object]]
PEOPLE, CLIENTS, NAMES = ("ada", "eve"), ("c0", "c1", "c2", "c3", "c4"), [f"n{number}" for number in range(8)]
SECRET = digest("registration")


class Author:
    """Makes up one step after the other; what it knows of earlier ones makes them hit something."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.now = START
        self._made = 0
        self._refreshes: dict[str, int] = {}

    def pick(self, among: Any) -> Any:
        return self._random.choice(list(among))

    def _build_grant(self, name: str) -> Grant:
        user, client = self._place(name)
        return build_grant(
            name,
            username=user,
            client_id=client,
            created_at=self.now,
            last_used_at=self.now,
            expires_at=self.now + self.pick((50, 5000)),
        )

    @staticmethod
    def _place(name: str) -> tuple[str, str]:
        """Whose a thing of this name is, and which client's."""
        number = int(name[1:])
        return PEOPLE[number % 2], CLIENTS[number % 5]

    def write(self) -> tuple[str, Step]:
        """A step, and its name."""
        if self._random.random() < 0.03:
            self.now += self.pick((0.5, 0.5, 3, 3, 11, 70))
        verb = self.pick([name for name in vars(Author) if name.startswith("do_")])
        return verb, getattr(self, verb)(self.pick(NAMES))

    # Steps

    def do_issue_code(self, name: str) -> Step:
        user, client = self._place(name)
        code = build_code(username=user, client_id=client, expires_at=self.now + self.pick((30, 60)))
        resource = self.pick(("/mcp", "/files"))
        scope = tuple(self._random.sample(("a", "b", "c"), self.pick((1, 2))))
        consent = build_consent(
            username=user, client_id=client, scope=scope, granted_at=self.now, resource=resource
        )
        rest: dict[str, Any] = {"remember": [consent] if self._random.random() < 0.7 else []}
        if self._random.random() < 0.2:
            place = f"https://{self.pick('xy')}.example/"
            rest["bind_redirect"] = build_binding(client_id=client, redirect_uri=place)
        rest["is_unasked"] = self._random.random() < 0.3
        if self._random.random() < 0.3:
            rest["pushed"] = digest(self.pick(NAMES))
        return lambda store: store.issue_code(digest(name), code, **rest)

    def do_redeem_code(self, name: str) -> Step:
        grant, now = self._build_grant(name), self.now
        access = build_access(grant, expires_at=now + self.pick((20, 3000)))
        self._refreshes[name] = 0
        return lambda store: store.redeem_code(digest(name), grant, digest("t" + name), access, now=now)

    def do_rotate(self, name: str) -> Step:
        grant, now = self._build_grant(name), self.now
        at = self._refreshes.get(name, 0)
        back = self.pick((0, 0, 0, 0, 1, 2))
        self._refreshes[name] = at + (back == 0)
        self._made += 1
        successor = build_successor(f"{name} refresh {at + 1}", expires_at=now + 5000)
        access_hash, access = digest(f"made {self._made}"), build_access(grant, expires_at=now + 300)
        return lambda store: store.rotate_refresh(
            grant.grant_id,
            digest(f"{name} refresh {max(at - back, 0)}"),
            successor,
            access_hash,
            access,
            client_id=grant.client_id,
            grace=10.0,
            now=now,
        )

    def do_issue_grant(self, name: str) -> Step:
        grant, now = self._build_grant(name), self.now
        self._refreshes[name] = 0
        return lambda store: store.issue_grant(grant, digest("t" + name), build_access(grant), now=now)

    def do_issue_access(self, name: str) -> Step:
        self._made += 1
        grant, now, key = self._build_grant(name), self.now, digest(f"made {self._made}")
        access = build_access(grant, expires_at=now + self.pick((5, 500)) + self._made / 1000)
        return lambda store: store.issue_access(key, access, now=now)

    def do_find_access(self, name: str) -> Step:
        key = digest(self.pick(("t" + name, f"made {self._random.randint(0, self._made + 1)}")))
        now = self.now
        return lambda store: store.find_access(key, now=now)

    def do_revoke_access(self, name: str) -> Step:
        key = digest(self.pick(("t" + name, f"made {self._random.randint(0, self._made + 1)}")))
        return lambda store: store.revoke_access(key)

    def do_revoke_grant(self, name: str) -> Step:
        return lambda store: store.revoke_grant(build_grant(name).grant_id)

    def do_disconnect(self, name: str) -> Step:
        (user, client), grant_id = self._place(name), build_grant(name).grant_id
        return lambda store: store.disconnect_client(username=user, client_id=client, grant_id=grant_id)

    def do_touch_and_find(self, name: str) -> Step:
        grant_id, now = build_grant(name).grant_id, self.now

        async def step(store: RunningStore) -> object:
            await store.touch_grant(grant_id, now=now)
            return await store.find_grant(grant_id, now=now)

        return step

    def do_find_all(self, name: str) -> Step:
        now, (user, client) = self.now, self._place(name)

        async def step(store: RunningStore) -> object:
            return [
                await store.find_grants(user, now=now),
                await store.find_code(digest(name), now=now),
                await store.find_client(client, now=now),
                await store.find_document(client, now=now),
                await store.find_device(digest(name), now=now),
                await store.find_pushed(digest(name), now=now),
                await store.find_session(digest(name), now=now),
                await store.find_mcp_session(digest(name), now=now),
                await store.find_task(digest(name), now=now),
                await store.is_known_address(digest(name), now=now),
                await store.find_redirect_binding(client),
                await store.has_consent(
                    username=user,
                    client_id=client,
                    redirect_uri=build_consent().redirect_uri,
                    resources=["/mcp"],
                    scope=["a", "b"],
                ),
            ]

        return step

    def do_delete_client(self, name: str) -> Step:
        client, now = self._place(name)[1], self.now
        secret = SECRET if self._random.random() < 0.2 else digest("wrong")
        return lambda store: store.delete_client(client, secret, now=now)

    def do_update_client(self, name: str) -> Step:
        client, now = self._place(name)[1], self.now
        changed = build_client(client, client_name=name, registration_hash=SECRET)
        return lambda store: store.update_client(changed, SECRET, now=now)

    def do_document(self, name: str) -> Step:
        url, kept = self._place(name)[1], build_document(fetched_at=self.now, expires_at=self.now + 900)
        if self._random.random() < 0.2:
            return lambda store: store.forget_document(url)
        return lambda store: store.keep_document(url, kept)

    def do_push(self, name: str) -> Step:
        party, now = self.pick(("", "preset")), self.now
        request = build_pushed(
            client_id=self._place(name)[1], pushed_at=now, expires_at=now + self.pick((5, 90)), party=party
        )
        return lambda store: store.push_request(digest(name), request, now=now)

    def do_device(self, name: str) -> Step:
        (user, client), now, key = self._place(name), self.now, digest(name)
        device = build_device(
            name, client_id=client, issued_at=now, code_expires_at=now + 60, expires_at=now + 120
        )
        scope = self.pick((("mcp",), None))
        grant = build_grant("d" + name, username=user, client_id=client, expires_at=now + 500)
        held = device.device_hash
        return self.pick(  # type: ignore[no-any-return]
            (
                lambda store: store.open_device(key, device, now=now),
                lambda store: store.decide_device(key, held, username=user, scope=scope, now=now),
                lambda store: store.poll_device(key, held, client_id=client, now=now),
                lambda store: store.redeem_device(
                    key, held, grant, digest("td" + name), build_access(grant), now=now
                ),
            )
        )

    def do_session(self, name: str) -> Step:
        session = build_session(
            username=self._place(name)[0], signed_in_at=self.now, expires_at=self.now + self.pick((9, 90))
        )
        replaces = digest(self.pick(NAMES)) if self._random.random() < 0.3 else None
        if self._random.random() < 0.2:
            return lambda store: store.close_session(digest(name))
        return lambda store: store.open_session(digest(name), session, replaces=replaces)

    def do_mcp_session(self, name: str) -> Step:
        now, key = self.now, digest(name)
        session = build_mcp_session(username=self._place(name)[0], created_at=now, expires_at=now + 60)
        uri, is_wanted, level = self.pick("uvw"), self.pick((True, False)), self.pick(("info", "error"))
        return self.pick(  # type: ignore[no-any-return]
            (
                lambda store: store.open_mcp_session(key, session),
                lambda store: store.subscribe_mcp_session(key, uri, is_wanted=is_wanted, now=now),
                lambda store: store.set_mcp_log_level(key, level, now=now),
                lambda store: store.close_mcp_session(key),
            )
        )

    def do_task(self, name: str) -> Step:
        now, key = self.now, digest(name)
        ends = now + self.pick((30, 600))
        task = build_task(username=self._place(name)[0], created_at=now, expires_at=ends)
        end = {"status": "completed", "cause": "", "sealed": b"x" * self.pick((0, 8, 30))}
        path = self.pick(("/mcp", "/other"))
        return self.pick(  # type: ignore[no-any-return]
            (
                lambda store: store.start_task(key, task, now=now),
                lambda store: store.end_task(key, **end, now=now),
                lambda store: store.interrupt_tasks(path=path, now=now),
            )
        )

    def do_use_once(self, name: str) -> Step:
        now, ends = self.now, self.now + self.pick((5, 50))
        party, purpose = self.pick(PEOPLE), self.pick(("dpop", "id_jag"))
        return lambda store: store.use_once(purpose, party, name, expires_at=ends, now=now)

    def do_know_address(self, name: str) -> Step:
        known = build_address(username=self._place(name)[0], expires_at=self.now + self.pick((9, 99)))
        return lambda store: store.know_address(digest(name), known)


@pytest.mark.parametrize("seed", range(12))
def test_any_sequence_of_transitions_gives_the_same_answers(redis: RedisServer, seed: int) -> None:
    """Our choice: one contract. The caps for all people together are out of reach here: the embedded engine
    counts what is past until it sweeps it, and Redis does not.
    """
    limits = msgspec.structs.replace(SMALL, unused_clients=5, used_values=100, device_codes=100)

    async def scenario() -> None:
        author, clock = Author(seed), Clock()
        embedded = EmbeddedStore.open(None, clock=clock, limits=limits, max_unused_clients=5)
        await embedded.start()
        async with opened(redis, clock=clock, limits=limits, max_unused_clients=5) as (shared,):
            for store in (embedded, shared):
                for number, client in enumerate(CLIENTS):
                    given = build_client(client, registration_hash=SECRET, issued_at=START + number)
                    await store.register_client(given)
            for number in range(400):
                name, step = author.write()
                clock.now = author.now
                await embedded.sweep()
                expected, found = await step(embedded), await step(shared)
                assert found == expected, (number, name)
        await embedded.close()

    asyncio.run(scenario())
