"""The translation memory: equal text is translated once, across files and runs, and a killed run goes on."""

import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from utils.runs import UserError


def key(text: str, language: str, engine_id: str, segments_version: str) -> bytes:
    """16 bytes from everything that decides a translation: source and target language, engine, weights, cutting, text."""
    parts = "\x1f".join(("en", language, engine_id, segments_version, text))
    return hashlib.blake2b(parts.encode(), digest_size=16).digest()


class Memory:
    """SQLite table key -> translation. Each `put` is one transaction: a kill loses at most the open batch."""

    def __init__(self, path: Path, language: str, engine_id: str, segments_version: str):
        self.scope = (language, engine_id, segments_version)
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(path, timeout=60)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("CREATE TABLE IF NOT EXISTS said (key BLOB PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID")
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"the translation memory {path} cannot be opened ({error}); remove it, it will be made again") from error

    def get(self, texts: Iterable[str]) -> dict[str, str]:
        """The known translations among `texts`."""
        found = {}
        for text in texts:
            row = self.db.execute("SELECT text FROM said WHERE key = ?", (key(text, *self.scope),)).fetchone()
            if row:
                found[text] = row[0]
        return found

    def put(self, pairs: dict[str, str]) -> None:
        try:
            with self.db:
                self.db.executemany("INSERT OR REPLACE INTO said VALUES (?, ?)", [(key(s, *self.scope), t) for s, t in pairs.items()])
        except sqlite3.Error as error:
            raise UserError(f"the translation memory cannot be written ({error}); free space and run again, it goes on from here") from error

    def close(self) -> None:
        self.db.close()
