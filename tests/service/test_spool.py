"""The spool gives back what it was given, from memory and from its file."""

from __future__ import annotations

import pytest

from service.spool import Spool


@pytest.mark.parametrize("memory_bytes", [1, 1 << 20])
def test_it_gives_back_what_it_was_given(memory_bytes: int) -> None:
    contents = [b"one", b"", b"\0" * 5000, b"four"]
    with Spool(memory_bytes=memory_bytes) as spool:
        assert [spool.put(content) for content in contents[:3]] == [0, 1, 2]
        assert spool.get(2) == contents[2]
        assert spool.put(contents[3]) == 3
        assert [spool.get(number) for number in (3, 0, 1, 2)] == [
            contents[number] for number in (3, 0, 1, 2)
        ]
        with pytest.raises(ValueError, match="unpack"):
            spool.get(4)
