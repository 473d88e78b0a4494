"""What makes processes start sooner."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 10_000
"""How many objects more than before are made until the young ones are looked through for garbage.

Python's 700 are fewer than the objects of one pod with its managed fields: every decoding would pay for a look, and
every hundredth for one through all that is cached, which makes a patch twice as dear.
"""


@contextmanager
def no_garbage() -> Iterator[None]:
    """Look for no garbage while one is inside, nor ever again at what is there when one leaves; rarely after that.

    What a start imports and loads stays for good; looking through it again and again as it grows takes a quarter of
    the time that a start needs, and looking through it later stops the process for long.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(YOUNG)
        gc.enable()
