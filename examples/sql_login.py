"""People who sign in with their password in a table of an SQL database.

    [login]
    validate_user = "examples.sql_login:check"

SQLite here, from the standard library; with another database only `find_hash` changes. USERS_DATABASE names
the file, with the table

    CREATE TABLE users (
        username TEXT PRIMARY KEY, password_hash TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1
    )

and a bcrypt hash for each person, as `python -m omnitornado hash-password` prints one.
"""

import os
import sqlite3

import bcrypt

NOBODY = b"$2b$12$......................e..............................e"
"""A well-formed hash that no password is known for: who is not there takes as long as who is."""


def check(username: str, password: str) -> bool:
    """A plain function: it runs on a thread, and may wait for the database and for bcrypt."""
    found = find_hash(username)
    try:
        return bcrypt.checkpw(password.encode(), found or NOBODY) and found is not None
    except ValueError:
        return False  # Longer than bcrypt's 72 bytes, or not text that can be encoded.


def find_hash(username: str) -> bytes | None:
    """The hash of an enabled person. A parameter, never text put together: names come from strangers."""
    database = sqlite3.connect(f"file:{os.environ['USERS_DATABASE']}?mode=ro", uri=True)
    try:
        row = database.execute(
            "SELECT password_hash FROM users WHERE username = ? AND enabled", (username,)
        ).fetchone()
    finally:
        database.close()
    return None if row is None else str(row[0]).encode()
