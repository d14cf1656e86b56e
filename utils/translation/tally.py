"""Counts and samples of one translation run; every number of the report comes from here, and its size does not grow."""

import hashlib
import heapq
from collections import Counter
from dataclasses import dataclass, field

SAMPLES, WORST, LENGTHS = 30, 30, 1500


@dataclass
class FileCount:
    """One file's counts; characters are those of sentences that go to an engine."""

    rows: int = 0
    translated: int = 0
    quarantined: int = 0
    second: int = 0  # rows that only the second engine brought through
    source_problems: int = 0  # rows that `check` would name
    sentences: int = 0
    characters: int = 0  # sentence by sentence, as they stand
    characters_alone: int = 0  # each different sentence of this file once
    characters_new: int = 0  # sentences that no earlier file of this run had
    reasons: Counter = field(default_factory=Counter)
    tasks: dict[str, list[int]] = field(default_factory=dict)  # task -> [rows, quarantined]


@dataclass
class Least:
    """The `size` items of least rank, each key once: a fixed sample of a stream whatever its order or batches."""

    size: int
    kept: list = field(default_factory=list)
    keys: set = field(default_factory=set)

    def offer(self, rank: float, key: str, item: object) -> None:
        if key in self.keys or (len(self.kept) == self.size and -rank <= self.kept[0][0]):
            return
        self.keys.add(key)
        heapq.heappush(self.kept, (-rank, key, item))
        if len(self.kept) > self.size:
            self.keys.discard(heapq.heappop(self.kept)[1])

    def items(self) -> list:
        return [item for _, _, item in sorted(self.kept, key=lambda entry: (-entry[0], entry[1]))]


def draw(text: str) -> float:
    """A number in [0, 1) from a text: ranks a stream by chance, but the same way on every run and machine."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=7).digest(), "big") / (1 << 56)


@dataclass
class Tally:
    """One run's counts over all files."""

    files: dict[str, FileCount] = field(default_factory=dict)
    unique: int = 0
    from_memory: int = 0
    sent: int = 0  # sentences that an engine was asked for, second tries included
    characters_sent: int = 0
    joined: Counter = field(default_factory=Counter)  # option lists as one string: whole, broken
    languages: Counter = field(default_factory=Counter)  # of the turns long enough to tell
    marks: Counter = field(default_factory=Counter)  # words that only one variety uses
    samples: Least = field(default_factory=lambda: Least(SAMPLES))
    worst: Least = field(default_factory=lambda: Least(WORST))
    lengths: Least = field(default_factory=lambda: Least(LENGTHS))
