"""`[tasks]`: calls that go on as tasks (the MCP extension of that name): how long, how many, how much."""

from typing import Annotated

from omnitornado.config.errors import MismatchError
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import SIZE, duration, integer


class TaskSettings(Settings, frozen=True):
    """`[tasks]`"""

    time_limit: Annotated[
        float,
        Key(
            kind=duration(),
            default="1h",
            help="How long a task may run, questions to the person included, unless its tool says otherwise.",
        ),
    ]
    result_lifetime: Annotated[
        float,
        Key(
            kind=duration(),
            default="1h",
            help="How long the result of a task is kept at least, unless its tool says otherwise.",
        ),
    ]
    max_lifetime: Annotated[
        float,
        Key(
            kind=duration(),
            default="24h",
            help="The most that both together may come to, whatever a tool says.",
        ),
    ]
    poll_interval: Annotated[
        float,
        Key(
            kind=duration(),
            default="1s",
            help="How long clients are asked to wait between two looks at a task, unless its tool says "
            "otherwise.",
        ),
    ]
    running_per_person: Annotated[
        int,
        Key(
            kind=integer(1, 1_000_000),
            default=16,
            help="How many tasks of one person run at a time; beyond it the answer is 429.",
        ),
    ]
    kept_per_person: Annotated[
        int,
        Key(
            kind=integer(1, 1_000_000),
            default=1000,
            help="How many tasks of one person are kept, ended ones included; beyond it the answer is 429. A "
            "result stays for the time that it was promised for.",
        ),
    ]
    max_result: Annotated[
        int,
        Key(
            kind=SIZE,
            default="1MiB",
            help="The largest result that is kept; in place of a larger one its client gets an error.",
        ),
    ]
    storage_per_person: Annotated[
        int,
        Key(
            kind=SIZE,
            default="32MiB",
            help="How much is kept of the results of one person's tasks. With as much, a new task is "
            "answered 429; tasks that run already still end.",
        ),
    ]
    threads: Annotated[
        int,
        Key(
            kind=integer(1, 1024),
            default=32,
            help="How many plain (not async) tool functions run as tasks at a time; further ones wait.",
        ),
    ]


def check_tasks(tasks: TaskSettings) -> None:
    """Raises: MismatchError where the two lifetimes don't fit into the largest."""
    if tasks.time_limit + tasks.result_lifetime > tasks.max_lifetime:
        raise MismatchError("max_lifetime", "less than time_limit and result_lifetime together")
