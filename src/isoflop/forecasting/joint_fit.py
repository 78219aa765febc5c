"""Two ladders made ready for one fit, and that fit under any freedom of the second recipe."""

from __future__ import annotations

from dataclasses import dataclass

from isoflop.fitting.estimation import fit as fit_law
from isoflop.forecasting.comparability import Meeting, meeting_of
from isoflop.forecasting.joint_law import Floor, Freedom, joint_law
from isoflop.forecasting.multiplier import Meter, Path, path_of
from isoflop.forecasting.twins import GROUP, Ladders, Pair, Twinned, twinned


@dataclass(frozen=True)
class Settings:
    """How recipes are compared; see `isoflop.forecasting.families.compare_families`."""

    floor: Floor
    pair: Pair
    objective: str
    draws: int
    level: float
    cluster: str
    seed: int
    compute: tuple[float, ...] = ()
    same_evaluation: bool = False


@dataclass(frozen=True)
class Match:
    """Two ladders made ready for their joint fit, the baseline named first; `starts` are those of the base law."""

    ladders: Ladders
    names: tuple[str, str]
    settings: Settings
    meeting: Meeting
    path: Path
    rows: Twinned
    starts: dict[str, float]


def match(ladders: Ladders, names: tuple[str, str], settings: Settings) -> Match:
    """The two ladders with their twins, and the base law fitted to all of their runs as if they were one recipe.

    Raises:
        Refusal: fewer runs than the law has parameters.
    """
    meeting = meeting_of(ladders)
    rows = twinned(ladders, meeting.middle, settings.pair, settings.cluster)
    pooled = fit_law(
        ladders.law,
        ladders.runs,
        objective=settings.objective,
        draws=0,
        cluster="none",
        starts="projected",
        weights=ladders.weights,
        seed=settings.seed,
    )
    starts = dict(zip(pooled.law.parameter_names, pooled.theta.tolist(), strict=True))
    return Match(ladders, names, settings, meeting, path_of(ladders), rows, starts)


def fit_jointly(matched: Match, freedom: Freedom, draws: int) -> Meter:
    """The joint law of that freedom, fitted; a fit without draws is for looking, and starts from fewer places."""
    settings = matched.settings
    fitted = fit_law(
        joint_law(matched.ladders.law, freedom, matched.starts),
        matched.rows.table,
        objective=settings.objective,
        draws=draws,
        level=settings.level,
        cluster=GROUP,
        starts="default" if draws else "projected",
        weights=matched.ladders.weights,
        seed=settings.seed,
    )
    return Meter(fitted, matched.path, freedom, matched.meeting.middle)
