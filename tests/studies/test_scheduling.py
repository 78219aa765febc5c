"""The order of runs, limits on cost, and what a study says it has cost and will."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from isoflop.errors import UsageError
from isoflop.runs.directory import BriefResult
from isoflop.studies.cost import seconds_on_one_core
from isoflop.studies.driver import prepare_study, run_study
from isoflop.studies.engines import engine_for
from isoflop.studies.last_engine import ENGINE_FILE, Place, keep_engine
from isoflop.studies.progress import QuietReporter
from isoflop.studies.scheduling import Limit, OutOfBudget, account_of, in_order, limit_of, order_of
from isoflop.studies.site import Spending
from isoflop.studies.status import study_status
from isoflop.studies.study import PlannedRun
from tests.faults.victims import cheap_study


@pytest.fixture
def ladder(make_study: Callable[..., Path]) -> tuple[PlannedRun, ...]:
    return prepare_study(make_study()).of("ladder")


def test_without_a_limit_the_longest_run_is_first(ladder: tuple[PlannedRun, ...]) -> None:
    assert order_of(Spending()) == "longest-first" and order_of(Spending(limit="1 h")) == "information-first"
    assert order_of(Spending(limit="1 h", order="longest-first")) == "longest-first"
    seconds = [seconds_on_one_core(run.spec) for run in in_order(ladder, "longest-first", None)]
    assert seconds == sorted(seconds, reverse=True)


def test_information_comes_cheapest_first_and_nothing_is_left_out(ladder: tuple[PlannedRun, ...]) -> None:
    ordered = in_order(ladder, "information-first", None)
    assert sorted(run.spec.identifier for run in ordered) == sorted(run.spec.identifier for run in ladder)
    assert ordered != in_order(ladder, "longest-first", None)
    # Half the money buys most of what there is to know: several sizes, and several lengths.
    cost = [seconds_on_one_core(run.spec) for run in ordered]
    half = next(count for count in range(len(cost)) if sum(cost[: count + 1]) > sum(cost) / 2)
    assert len({run.spec.shape.width for run in ordered[:half]}) > 1
    assert len({run.spec.tokens for run in ordered[:half]}) > 1
    assert in_order((), "information-first", None) == ()


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("1e15 FLOP", Limit(1e15, "FLOP")),
        ("90 min", Limit(5400.0, "seconds")),
        ("$5", Limit(5.0, "dollars", 2.0)),
    ],
)
def test_a_limit_is_read_as_people_write_it(text: str, limit: Limit) -> None:
    assert limit_of(Spending(limit=text, dollars_per_hour=limit.dollars_per_hour)) == limit


def test_a_limit_that_means_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a price"):
        limit_of(Spending(limit="$5"))
    with pytest.raises(UsageError, match="max-cost='five' is not a cost"):
        limit_of(Spending(limit="five"))


def test_what_was_spent_corrects_what_is_expected(ladder: tuple[PlannedRun, ...]) -> None:
    first = ladder[0].spec
    results = {first.identifier: BriefResult("done", 10 * seconds_on_one_core(first), 3.0)}
    account = account_of(Limit(1e9, "seconds"), ladder, results)
    assert account.spent == pytest.approx(10 * seconds_on_one_core(first))
    assert account.expected[ladder[1].spec.identifier] == pytest.approx(10 * seconds_on_one_core(ladder[1].spec))
    assert len(account.affordable(ladder[1:])) == len(ladder) - 1
    assert account_of(Limit(1e-9, "seconds"), ladder, {}).affordable(ladder) == ()


def test_a_study_stops_where_its_limit_is_and_goes_on_with_more(tmp_path: Path) -> None:
    place = cheap_study(tmp_path, runs=6, pause=0.0)
    compute = sum(run.compute for run in prepare_study(place).planned)
    with pytest.raises(OutOfBudget, match=r"stopped at max-cost=.* are spent and the 3 runs left would cost about"):
        run_study(
            place, engine=engine_for(place, "inline"), reporter=QuietReporter(), max_cost=f"{0.6 * compute:.6g} FLOP"
        )
    status = study_status(place)
    assert status.counts is not None and (status.counts.done, status.counts.waiting) == (3, 3)
    with pytest.raises(OutOfBudget, match="the 1 runs left"):
        run_study(
            place, engine=engine_for(place, "inline"), reporter=QuietReporter(), max_cost=f"{0.9 * compute:.6g} FLOP"
        )


def test_status_says_what_was_spent_and_what_is_to_come(tmp_path: Path) -> None:
    place = cheap_study(tmp_path, runs=4, pause=0.0)
    place.write_text(place.read_text() + '[cost]\nprice_per_hour = "$3.6"\n')
    before = study_status(place).to_dict()
    assert before["cost_usd"] == 0.0 and before["remaining_cost_usd"] > 0
    assert before["remaining_cost_usd"] == pytest.approx(before["remaining_slot_seconds"] / 1000)
    with pytest.raises(OutOfBudget):
        run_study(place, engine=engine_for(place, "inline"), reporter=QuietReporter(), max_cost="1e6 FLOP")
    assert "to go" in str(study_status(place)) and "$" in str(study_status(place))
    assert json.dumps(before)


def test_status_reckons_with_the_engine_that_trained_the_study_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isoflop.studies.processes.usable_cores", lambda: 8)
    place = cheap_study(tmp_path, runs=4, pause=0.0)

    def told() -> tuple[str, int | None, str]:
        status = study_status(place)
        return status.place.on, status.place.slots, str(status).rpartition("to go, ")[2]

    assert told() == ("local", 8, "8 runs at a time.")
    written = place.read_text()
    place.write_text(f'on = "ray"\n{written}')
    assert told()[:2] == ("ray", None) and "until the cluster has said" in told()[2]
    place.write_text(f'on = "slurm"\n{written}\n[slurm]\nmax_running = 16\n')
    assert told() == ("slurm", 16, "16 runs at a time on Slurm.")

    # What was told on the command line counts from then on, whatever the file says.
    with pytest.raises(OutOfBudget):
        run_study(place, engine=engine_for(place, "inline"), reporter=QuietReporter(), max_cost="1e6 FLOP")
    assert told() == ("inline", 1, "one run at a time.")
    keep_engine(place.parent, Place("ray", 12))
    assert told() == ("ray", 12, "12 runs at a time on Ray.")
    record = study_status(place).to_dict()
    assert (record["on"], record["slots"]) == ("ray", 12)
    assert record["remaining_seconds"] < study_status(place, slots=1).cost.seconds  # type: ignore[union-attr]
    for damaged in ('{"schema": "isoflop.engine/1", "on": "ray", "slots": "many"}', "{", "[]"):
        (place.parent / ENGINE_FILE).write_text(damaged)
        assert told()[:2] == ("slurm", 16)
