"""SQLite files of others, opened to be read only and trusted with nothing.

A database can carry views and triggers; only tables are read, values are bounded, and text that is no UTF-8 is kept
readable.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from isoflop.errors import InputError
from isoflop.readers.text import one_line

MAGIC = b"SQLite format 3\x00"
LONGEST_VALUE = 64 << 20


@contextmanager
def open_sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection to the database at `path`.

    Raises:
        InputError: it cannot be opened, or is damaged.
    """
    place = quote(str(path.absolute()))
    connection = None
    try:
        # `immutable` would not see what a live tracker has in its write-ahead log; without it SQLite may need to write
        # beside the file, which a read-only folder forbids.
        for mode in ("mode=ro", "mode=ro&immutable=1"):
            try:
                connection = sqlite3.connect(f"file:{place}?{mode}", uri=True, timeout=5.0)
                connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()
                break
            except sqlite3.OperationalError:
                if connection is not None:
                    connection.close()
                if "immutable" in mode:
                    raise
        assert connection is not None
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        yield connection
    except (sqlite3.Error, OverflowError) as error:
        raise InputError(f"{path} is an SQLite database that cannot be read ({one_line(error)}).") from None
    finally:
        if connection is not None:
            connection.close()


def tables_of(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """The tables of a database with the names of their columns; views are not among them."""
    names = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {}
    for name in names[:500]:
        quoted = name.replace('"', '""')
        found[name] = tuple(str(row[1]) for row in connection.execute(f'PRAGMA table_info("{quoted}")'))
    return found
