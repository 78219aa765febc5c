"""Records: canonical text, durable writes, checked reads."""

import math

import numpy as np
import pytest

from isoflop import records
from isoflop.errors import EnvironmentFailure, InputError
from isoflop.findings import Finding, by_weight, refuses


def test_canonical_json_does_not_depend_on_order_and_has_no_nan():
    first = {"b": (1, 2.5), "a": np.array([1.0, math.inf])}
    assert records.canonical_json(first) == '{"a":[1.0,null],"b":[1,2.5]}'
    assert records.digest(first) == records.digest({"a": [1.0, math.nan], "b": [1, 2.5]})


def test_a_plain_value_has_the_digest_of_any_value():
    value = {"b": (1, 2.5, None), "a": {"text": "é", "true": True}}
    assert records.plain_digest(value) == records.digest(value)


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "deep" / "fit.json"
    records.write_record(path, {"schema": "isoflop.fit/1", "value": 0.1})
    assert records.read_record(path, "isoflop.fit/1")["value"] == 0.1
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"schema": "isoflop.fit/2"}', "upgrade isoflop"),
        ('{"schema": "isoflop.plan/1"}', "right kind of file"),
        ("[1]", "right kind of file"),
        ("{", "is not JSON"),
    ],
)
def test_a_wrong_record_is_refused_by_name(tmp_path, text, sentence):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence) as caught:
        records.read_record(path, "isoflop.fit/1")
    assert str(path) in str(caught.value)


def test_a_missing_record_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        records.read_record(tmp_path / "none.json", "isoflop.fit/1")


def test_publish_once_lets_only_the_first_through(tmp_path):
    path = tmp_path / "result.json"
    assert records.publish_once(path, "first")
    assert not records.publish_once(path, "second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    records.write_text(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "fsync", full)
    with pytest.raises(EnvironmentFailure, match="No space left on device"):
        records.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_findings_are_sorted_by_weight_without_repeats():
    note, warning, refusal = (Finding(s, s, "text") for s in ("note", "warn", "refuse"))
    assert by_weight([note, warning, refusal, note]) == (refusal, warning, note)
    assert refuses([note, refusal]) and not refuses([note, warning])
    assert Finding.from_dict(Finding("a", "warn", "m", (3,)).to_dict()) == Finding("a", "warn", "m", (3,))
