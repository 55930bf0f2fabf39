"""Our choice: what a server process is put together from: the object it serves, its accounts, its banner."""
