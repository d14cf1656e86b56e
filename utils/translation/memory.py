"""The translation memory: equal text is translated once, across files and runs, and a killed run goes on."""

import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from utils.runs import UserError

_MANY = 500  # keys in one question to SQLite


def key(text: str, language: str, engine_id: str, segments_version: str) -> bytes:
    """16 bytes from everything that decides a translation: source and target language, engine, weights, cutting, text."""
    parts = "\x1f".join(("en", language, engine_id, segments_version, text))
    return hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Memory:
    """SQLite table key -> translation, and two tables that last one run: what was seen and what failed.

    Each `put` is one transaction: a kill loses at most the open batch. Failures are never stored beyond the run.
    """

    def __init__(self, path: Path, language: str, segments_version: str):
        self.scope = (language, segments_version)
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(path, timeout=60)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            self.db.execute("CREATE TABLE IF NOT EXISTS said (key BLOB PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID")
            self.db.execute("CREATE TEMP TABLE failed (key BLOB PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID")
            self.db.execute("CREATE TEMP TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID")
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"the translation memory {path} cannot be opened ({error}); remove it, it will be made again") from error

    def _key(self, text: str, engine_id: str) -> bytes:
        return key(text, self.scope[0], engine_id, self.scope[1])

    def get(self, texts: Iterable[str], engine_id: str, table: str = "said") -> dict[str, str]:
        """The known translations among `texts`, or with table="failed" this run's failed attempts."""
        keys = {self._key(text, engine_id): text for text in texts}
        listed, found = list(keys), {}
        for start in range(0, len(listed), _MANY):
            some = listed[start : start + _MANY]
            asked = f"SELECT key, text FROM {table} WHERE key IN ({','.join('?' * len(some))})"
            found |= {keys[row_key]: text for row_key, text in self.db.execute(asked, some)}
        return found

    def put(self, pairs: dict[str, str], engine_id: str, table: str = "said") -> None:
        """Store translations; raises UserError on a full disk."""
        self._write(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", [(self._key(s, engine_id), t) for s, t in pairs.items()])

    def new(self, texts: Iterable[str], scope: str) -> list[str]:
        """Those of `texts`, each once, that were not noted in `scope` before."""
        keys = {key(text, scope, "", ""): text for text in texts}
        listed, known = list(keys), set()
        for start in range(0, len(listed), _MANY):
            some = listed[start : start + _MANY]
            known.update(row[0] for row in self.db.execute(f"SELECT key FROM seen WHERE key IN ({','.join('?' * len(some))})", some))
        return [text for found, text in keys.items() if found not in known]

    def note(self, texts: Iterable[str], scope: str) -> list[str]:
        """The same, and note them: for this run only. A scope is a file's name or any other word."""
        fresh = self.new(texts, scope)
        self._write("INSERT INTO seen VALUES (?)", [(key(text, scope, "", ""),) for text in fresh])
        return fresh

    def _write(self, statement: str, rows: list[tuple]) -> None:
        try:
            with self.db:
                self.db.executemany(statement, rows)
        except sqlite3.Error as error:
            raise UserError(f"the translation memory cannot be written ({error}); free space and run again, it goes on from here") from error

    def close(self) -> None:
        self.db.close()
