"""Lines that repeat across one publisher's articles are the page's, not the article's.

A menu, a newsletter box or a legal notice comes back on every page of a site; a sentence of news
does not. Counting line hashes per publisher needs no training, no language and no markup, and
removes what the line classifier cannot tell from prose.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
import xxhash

from clustering.errors import ConfigurationError, CorruptRecordError
from clustering.prepare.boilerplate_lines import line_key, measure_line

_MAGIC = b"SSRL1\n"
_HEADER = struct.Struct("<II")
_PUBLISHER = struct.Struct("<HI")
_HIGHEST_COUNT = 255

SHORT_LINE_WORDS = 25
SHORT_LINE_ARTICLES = 2
LONG_LINE_ARTICLES = 4


class RepeatedLines:
    """Counts, per publisher, in how many articles each line was seen.

    Parameters
    ----------
    max_lines_per_publisher
        Beyond it the lines seen in one article only are forgotten, oldest first; a line that
        repeats comes back. Must be at least 64.
    max_publishers
        Beyond it the publisher not heard from for longest is forgotten.

    Raises
    ------
    ConfigurationError
        If a bound is too small.

    Notes
    -----
    An article that a publisher posts again, corrected or updated, repeats its own prose. So an
    article most of whose sentences are known already is another version and counts for nothing.
    Not thread safe.
    """

    def __init__(self, *, max_lines_per_publisher: int = 8192, max_publishers: int = 2048) -> None:
        if max_lines_per_publisher < 64:
            raise ConfigurationError("max_lines_per_publisher must be at least 64")
        if max_publishers < 1:
            raise ConfigurationError("max_publishers must be at least 1")
        self.max_lines_per_publisher = max_lines_per_publisher
        self.max_publishers = max_publishers
        self._publishers: OrderedDict[str, dict[int, int]] = OrderedDict()

    def __len__(self) -> int:
        """Count the lines held, over all publishers."""
        return sum(map(len, self._publishers.values()))

    def observe(self, publisher: str, lines: Iterable[str]) -> None:
        """Count one article's lines; a line twice in it counts once.

        Parameters
        ----------
        publisher
            As `publisher_of` names it. An empty one is ignored: lines of unknown origin say
            nothing about a page.
        lines
            As `dump_lines` splits them.
        """
        if not publisher:
            return
        lines = list(lines)
        known = self._publishers.setdefault(publisher, {})
        self._publishers.move_to_end(publisher)
        sentences = [
            _hash(line) for line in lines if len(line) >= 30 and measure_line(line).is_sentence
        ]
        seen = sum(hashed in known for hashed in sentences)
        if len(sentences) >= 2 and seen > len(sentences) / 2:
            return
        for hashed in dict.fromkeys(map(_hash, lines)):
            known[hashed] = min(_HIGHEST_COUNT, known.get(hashed, 0) + 1)
        if len(known) > self.max_lines_per_publisher:
            self._publishers[publisher] = self._trimmed(known)
        while len(self._publishers) > self.max_publishers:
            self._publishers.popitem(last=False)

    def is_repeated(self, publisher: str, line: str) -> bool:
        """Whether a line was seen in enough earlier articles of a publisher to be its page's.

        Enough is ``SHORT_LINE_ARTICLES`` for a line under ``SHORT_LINE_WORDS`` words, and
        ``LONG_LINE_ARTICLES`` from there on, where a standing phrase of prose is likelier.
        """
        known = self._publishers.get(publisher)
        if not known:
            return False
        count = known.get(_hash(line), 0)
        if count >= LONG_LINE_ARTICLES:
            return True
        return count >= SHORT_LINE_ARTICLES and measure_line(line).word_count < SHORT_LINE_WORDS

    def _trimmed(self, known: dict[int, int]) -> dict[int, int]:
        """Keep three quarters: repeated lines first, then the newest of those seen once."""
        keep = self.max_lines_per_publisher * 3 // 4
        repeated = [hashed for hashed, count in known.items() if count > 1][-keep:]
        once = [hashed for hashed, count in known.items() if count == 1]
        room = keep - len(repeated)
        chosen = {*repeated, *(once[-room:] if room > 0 else ())}
        return {hashed: count for hashed, count in known.items() if hashed in chosen}

    def to_bytes(self) -> bytes:
        """Pack into bytes that `from_bytes` reads: counts and hashes, no text of any line."""
        parts = [
            _MAGIC,
            _HEADER.pack(self.max_lines_per_publisher, self.max_publishers),
            struct.pack("<I", len(self._publishers)),
        ]
        for publisher, known in self._publishers.items():
            name = publisher.encode("utf-8", "surrogatepass")[:65535]
            parts.append(_PUBLISHER.pack(len(name), len(known)))
            parts.append(name)
            parts.append(np.fromiter(known.keys(), dtype="<u8", count=len(known)).tobytes())
            parts.append(np.fromiter(known.values(), dtype="u1", count=len(known)).tobytes())
        body = b"".join(parts)
        return body + struct.pack("<Q", xxhash.xxh3_64_intdigest(body))

    @classmethod
    def from_bytes(cls, packed: bytes) -> RepeatedLines:
        """Read what `to_bytes` packed.

        Raises
        ------
        CorruptRecordError
            If the bytes are truncated, altered, or of another format.
        """
        if not packed.startswith(_MAGIC) or len(packed) < len(_MAGIC) + _HEADER.size + 12:
            raise CorruptRecordError("not a table of repeated lines; learn it again from articles")
        body, checksum = packed[:-8], struct.unpack("<Q", packed[-8:])[0]
        if xxhash.xxh3_64_intdigest(body) != checksum:
            raise CorruptRecordError(
                "the table of repeated lines is damaged; learn it again from articles"
            )
        offset = len(_MAGIC)
        max_lines, max_publishers = _HEADER.unpack_from(body, offset)
        offset += _HEADER.size
        (publisher_count,) = struct.unpack_from("<I", body, offset)
        offset += 4
        table = cls(max_lines_per_publisher=max_lines, max_publishers=max_publishers)
        for _ in range(publisher_count):
            name_bytes, line_count = _PUBLISHER.unpack_from(body, offset)
            offset += _PUBLISHER.size
            name = body[offset : offset + name_bytes].decode("utf-8", "surrogatepass")
            offset += name_bytes
            hashes = np.frombuffer(body, dtype="<u8", count=line_count, offset=offset)
            offset += 8 * line_count
            counts = np.frombuffer(body, dtype="u1", count=line_count, offset=offset)
            offset += line_count
            table._publishers[name] = dict(zip(hashes.tolist(), counts.tolist(), strict=True))
        return table


def _hash(line: str) -> int:
    return xxhash.xxh3_64_intdigest(line_key(line).encode("utf-8", "surrogatepass"))
