"""The shared engine: one Redis (7 or later) or Valkey behind several processes.

What is promised, and its worst case:

- Each transition is one script, which Redis runs whole or not at all, one after the other for all processes.
- A method returns when Redis has answered. What that is worth is Redis's own configuration: with `appendonly
  yes` and `appendfsync always` a crash loses nothing that was answered; with `everysec` up to the last second
  or two; without the append-only file all since its last snapshot. A replica that takes over lacks what had
  not reached it. The start warns where there is no append-only file.
- Redis away, slow, full, read-only or refusing: the method raises `StoreUnavailable` within the time-out.
  A change whose answer did not come may have been made; nobody was told that it was, and
  nothing is sent a second time. It heals by itself.
- Never waited for: that a grant was used (`touch_grant`): losing it costs nothing.
- Expiry is Redis's: a record goes `MARGIN` seconds after its end, counted from the caller's `now`, and is
  never given out past its end. The processes' clocks must agree (NTP): a code that lives a minute on one is
  as long-lived as the clocks differ on another. Redis's own clock does not matter.
- An access token may be answered from memory (`cache.py`) for the time `[store] cache`. What is revoked
  anywhere is published, and forgotten everywhere at once; where a message could be missed nothing is answered
  from memory. A message that is late is late by that time at most.
- Who reads Redis reads what the embedded engine's files hold: digests and sealed values, and the server's own
  keys. No token, code, session id or secret is ever sent to it.

Redis Cluster is not supported: scripts touch the keys of a person, a client and a grant together. All keys
stand under one prefix with a hash tag, so that they would share a slot, which is to say one machine.
"""
