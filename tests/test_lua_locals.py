"""What all Lua functions share has to leave names free: Redis compiles no library without one."""

from __future__ import annotations

import pytest
import redis

from headway.store.functions import shared_source
from headway.store.records import Records

FREE = 20  # names that the next functions may take
ADVICE = (
    f"Lua allows 200 local variables at the top of a library, and fewer than {FREE} of them are "
    "left. Put what only one file of headway/store/lua/shared/ uses into a `do` of that file, as "
    "points.lua does."
)


def load_with(records: Records, more: int) -> None:
    """Compile what is shared with so many local variables more."""
    names = "\n".join(f"local free_{number}" for number in range(1 + more))  # and LIBRARY
    records.client.eval(f"{shared_source()}\n{names}\nreturn 1", 0)


def test_the_shared_lua_leaves_room_for_more(records: Records):
    try:
        load_with(records, FREE)
    except redis.ResponseError as error:
        if "more than 200 local variables" not in str(error):
            raise
        pytest.fail(ADVICE)


def test_room_that_is_not_there_is_seen(records: Records):
    with pytest.raises(redis.ResponseError, match="more than 200 local variables"):
        load_with(records, 200)
