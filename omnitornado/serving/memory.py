"""Our choice: when the garbage collector looks, and at what.

Requests leave no circles behind: what they used goes at once, without the collector. It would still look
after every few hundred objects, and now and then at everything there is, which costs a call up to a tenth of
its time. What stands once the server answers stands for good, so it is left out; the rest is looked at less
often.
"""

import gc
from typing import Final

YOUNG: Final = 10_000
"""Objects more than went, before the collector looks at the young ones. Python's own is 700."""


def settle_collector() -> None:
    """Called once the server answers, by a process that is nothing but the server: it holds for all of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
