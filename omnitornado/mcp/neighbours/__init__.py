"""Processes that serve the same endpoint on one store, and what they tell each other.

Our choice. A client's requests may land on any of them. What lives in the store needs nothing more; what
lives in a process (streams, calls in flight, open questions, tasks at work) is reached by messages over a
bus. `network.py` carries them, `sessions.py` is the handshake era's part, `streams.py` a stream read
elsewhere, `tasks.py` the tasks' part.
"""
