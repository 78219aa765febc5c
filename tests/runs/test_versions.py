"""Which code ran: what two states of the same version are told apart by."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import isoflop
from isoflop.runs.versions import digest_of_sources, package_version, sources_digest


def test_a_change_of_any_source_changes_the_digest(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "one.py").write_text("x = 1\n")
    (tmp_path / "two.toml").write_text("")
    first = digest_of_sources(tmp_path)
    assert len(first) == 12 and int(first, 16) >= 0 and digest_of_sources(tmp_path) == first
    (tmp_path / "inner" / "cached.pyc").write_bytes(b"1")
    (tmp_path / "readme.md").write_text("no code")
    assert digest_of_sources(tmp_path) == first
    (tmp_path / "inner" / "one.py").write_text("x = 2\n")
    second = digest_of_sources(tmp_path)
    (tmp_path / "inner" / "one.py").rename(tmp_path / "one.py")
    third = digest_of_sources(tmp_path)
    (tmp_path / "two.toml").unlink()
    assert len({first, second, third, digest_of_sources(tmp_path)}) == 4
    assert digest_of_sources(tmp_path / "nowhere") == "unknown"


def test_the_package_tells_its_own_sources_in_little_time() -> None:
    package = Path(isoflop.__file__).parent
    seconds = []
    for _ in range(3):
        before = time.process_time()
        assert digest_of_sources(package) == sources_digest()
        seconds.append(time.process_time() - before)
    assert min(seconds) < 0.05
    assert package_version("isoflop") == isoflop.__version__ and package_version("no-such-package") == "not installed"


def test_it_is_not_reckoned_when_the_package_is_imported() -> None:
    told = "import isoflop.studies.driver, isoflop.runs.versions as v; print(v.sources_digest.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout == "0\n"
