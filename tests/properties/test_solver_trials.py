"""Recovery and honesty on random studies; 200 recoveries and 500 starved fits run in `make check-statistics`."""

from tests.properties.solver_trials import recover, starve


def test_noise_free_data_give_back_the_truth():
    found = [recover(seed) for seed in range(40)]
    assert min(item.parameters for item in found) >= 8.0
    assert min(item.forecast for item in found) >= 10.0


def test_a_starved_fit_is_called_converged_only_at_the_optimum():
    found = [starve(seed) for seed in range(80)]
    assert not [seed for seed, item in enumerate(found) if item.converged and not item.at_optimum]
    # The trial says something only if some fits were starved, and some were not.
    assert 0 < sum(item.at_optimum for item in found) < len(found)
