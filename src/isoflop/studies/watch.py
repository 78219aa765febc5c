"""Watch: where the runs of a study are now, read from their directories, and what the rest will take."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from isoflop.runs.directory import RunDirectory, brief_result, last_record
from isoflop.studies.cost import START_SECONDS, seconds_on_one_core, speed_ratio, wall_seconds
from isoflop.studies.progress import RunProgress, StudyProgress, run_label
from isoflop.studies.study import PlannedRun


class Watch:
    """Looks at the same runs again and again; a result is read once, since it never changes."""

    def __init__(
        self,
        title: str,
        planned: Sequence[PlannedRun],
        directories: Mapping[str, RunDirectory],
        slots: int,
        dollars_per_hour: float | None = None,
    ) -> None:
        self._title = title
        self._planned = tuple(planned)
        self._directories = directories
        self._slots = slots
        self._dollars_per_hour = dollars_per_hour
        self._ended: dict[str, RunProgress] = {}
        self._seconds: dict[str, float] = {}
        self._at_work: frozenset[str] | None = None
        self._waiting = {
            run.spec.identifier: RunProgress(run.spec.identifier, run_label(run.spec), "waiting", 0.0, None)
            for run in planned
        }
        self._estimated = {run.spec.identifier: seconds_on_one_core(run.spec) for run in planned}
        self._compute = {run.spec.identifier: run.compute for run in planned}

    def look(self, running: Collection[str], ended: Collection[str] = ()) -> StudyProgress:
        """The state of every run; `running` are those at work, `ended` those that ended since the look before.

        Beyond the first look only runs that are or were at work are looked at: the others have not changed.
        """
        at_work = frozenset(running)
        changing = None if self._at_work is None else at_work.union(self._at_work, ended)
        self._at_work = at_work
        runs = tuple(self._look_at(run, at_work, changing) for run in self._planned)
        return self._progress(runs)

    def _look_at(self, planned: PlannedRun, running: Collection[str], changing: Collection[str] | None) -> RunProgress:
        name = planned.spec.identifier
        if name in self._ended:
            return self._ended[name]
        if (changing is None or name in changing) and self._directories[name].is_done():
            self._ended[name] = self._read_result(planned)
            return self._ended[name]
        if name not in running:
            return self._waiting[name]
        fraction, loss = self._read_progress(planned)
        return RunProgress(name, run_label(planned.spec), "running", fraction, loss)

    def _read_result(self, planned: PlannedRun) -> RunProgress:
        name = planned.spec.identifier
        brief = brief_result(self._directories[name])
        if brief.seconds > 0:
            self._seconds[name] = brief.seconds
        return RunProgress(name, run_label(planned.spec), brief.state, 1.0, brief.loss)

    def _read_progress(self, planned: PlannedRun) -> tuple[float, float | None]:
        attempts = self._directories[planned.spec.identifier].attempts()
        record = last_record(attempts[-1]) if attempts else None
        if record is None or not isinstance(record.get("step"), int):
            return 0.0, None
        loss = record.get("loss")
        return min(1.0, record["step"] / planned.spec.steps), float(loss) if isinstance(loss, (int, float)) else None

    def _progress(self, runs: tuple[RunProgress, ...]) -> StudyProgress:
        estimated, price = self._estimated, self._dollars_per_hour
        ratio = speed_ratio((seen, estimated[name]) for name, seen in self._seconds.items())
        left = [run for run in runs if run.state in ("waiting", "running")]
        seconds = [ratio * estimated[run.identifier] * (1.0 - run.fraction) for run in left]
        starts = [START_SECONDS if run.state == "waiting" else 0.0 for run in left]
        return StudyProgress(
            self._title,
            runs,
            remaining_seconds=wall_seconds([sum(pair) for pair in zip(seconds, starts, strict=True)], self._slots),
            remaining_compute=sum(self._compute[run.identifier] * (1.0 - run.fraction) for run in left),
            remaining_dollars=None if price is None else sum(seconds) / 3600.0 * price,
        )
