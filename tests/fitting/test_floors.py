"""A floor that dies: where the data want no irreducible loss, the solver walks there instead of creeping."""

import numpy as np
import pytest

from isoflop.fitting.binding import bind
from isoflop.fitting.objective import parse_objective
from isoflop.fitting.solver import Effort, polish
from isoflop.laws.catalogue import find
from tests.fitting.studies import TRUTH, design, study


@pytest.mark.parametrize("objective", ["ls", "huber:1e-3"])
def test_a_dying_floor_is_reached_within_few_steps_and_as_well_as_without_it(objective):
    along = np.log(np.prod([*design().values()], axis=0))
    bend = -((along - along.mean()) ** 2)  # losses that fall faster and faster: no floor
    runs = study(0.002, theta=[1e-9, 30.0, 60.0, 0.08, 0.12], errors=bend + np.random.default_rng(4).normal(size=36))
    target, start = parse_objective(objective), np.array([[1.0, 60.0, 120.0, 0.15, 0.2]])
    problem = bind(find("chinchilla"), runs, target)
    found = polish(problem, problem.surface.to_internal(start), effort=Effort(newton_steps=80))
    without = bind(find("chinchilla-no-floor"), runs, target)
    least = polish(without, without.surface.to_internal(start[:, 1:]), effort=Effort(newton_steps=2000))
    assert problem.surface.to_user(found.phi)[0, 0] < 1e-6
    assert found.value[0] == pytest.approx(least.value[0], rel=1e-9)


def test_only_a_term_without_inputs_is_a_floor():
    runs = study()
    objective = parse_objective("huber:1e-3")
    assert bind(find("chinchilla"), runs, objective).surface.floors == (0,)
    assert bind(find("chinchilla-no-floor"), runs, objective).surface.floors == ()


def test_a_floor_that_is_there_is_found_from_far_below():
    runs = study(0.0)
    problem = bind(find("chinchilla"), runs, parse_objective("ls"))
    start = TRUTH * [1e-3, 1.0, 1.0, 1.0, 1.0]
    found = polish(problem, problem.surface.to_internal(start[None]))
    assert problem.surface.to_user(found.phi)[0] == pytest.approx(TRUTH, rel=1e-6)
