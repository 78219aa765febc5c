"""Which code ran: versions of packages, and a digest of this package's own sources, which tells more than a version."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_HEX_DIGITS = 12


def package_version(name: str) -> str:
    """The version of an installed package, or that it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


@cache
def sources_digest() -> str:
    """SHA-256 over the paths and contents of the package's Python and TOML files, shortened; reckoned once.

    Two states of the code that carry the same version can be told apart by it.
    """
    return digest_of_sources(Path(__file__).parents[1])


def digest_of_sources(package: Path) -> str:
    """The digest of the Python and TOML files under `package`, in the order of their paths; "unknown" without any."""
    found = {path.relative_to(package).as_posix(): path for end in ("py", "toml") for path in package.rglob(f"*.{end}")}
    total = hashlib.sha256()
    try:
        for name in sorted(found):
            # With their lengths, so that nothing can move from one file into the next unnoticed.
            for part in (name.encode(), found[name].read_bytes()):
                total.update(len(part).to_bytes(8, "big"))
                total.update(part)
    except OSError:
        return "unknown"
    return total.hexdigest()[:_HEX_DIGITS] if found else "unknown"
