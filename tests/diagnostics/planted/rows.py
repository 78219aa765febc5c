"""Rows that are wrong: D22, D24, D25, D26."""

from __future__ import annotations

import numpy as np

from isoflop.fitting.published_fit import published_fit
from tests.diagnostics.clean_studies import Study, clean_study, loss_of
from tests.diagnostics.planted.kind import Kind, Outcome, fitted, generator, kind, lines, said

SLIPS = (1e3, 1e-3, 1e6, 1e-6, 1e9)
ROUNDED = ("hoffmann2022-approach3-rounded", "krajewski2024-dense", "sardana2024-100", "sardana2024-all")


def base(seed: int, **options: object) -> Study:
    """A clean study; with 2 % noise at most, as any."""
    return clean_study(seed, **options)  # type: ignore[arg-type]


def impossible_loss(seed: int) -> Outcome:
    study = base(seed)
    place = int(generator(seed).integers(study.size))
    loss = [0.0, -2.1, 1034.0, float("nan"), float("inf")][seed % 5]
    return said(study.with_cell("loss", place, loss), [place])


def diverged_run(seed: int) -> Outcome:
    study = base(seed, metadata=True)
    place = int(generator(seed).integers(study.size))
    return said(study.with_cell("state", place, ["diverged", "failed", "crashed"][seed % 3]), [place])


def untrained_run(seed: int) -> Outcome:
    """A loss above that of a uniform guess, in a study whose other losses are below it."""
    study = base(seed, metadata=True)
    while np.max(study.columns["loss"]) > 5.5:
        seed += 1000
        study = base(seed, metadata=True)
    place = int(generator(seed).integers(study.size))
    guess = float(np.log(study.columns["vocab"][place]))
    return said(study.with_cell("loss", place, guess * generator(seed).uniform(1.01, 1.3)), [place])


def looks(seed: int, runs: int = 10, count: int = 20) -> Study:
    """Runs of several sizes and lengths looked at often, each with an error that it keeps and small ones beside."""
    random = generator(seed)
    truth = clean_study(seed).truth
    size = np.geomspace(2e7, 1e9, runs)
    length = np.geomspace(2e9, 4e10, runs)[random.permutation(runs)]
    share = np.geomspace(0.05, 1.0, count)
    params, tokens = np.repeat(size, count), (length[:, None] * share).ravel()
    kept, beside = 0.004 * random.normal(size=(runs, 1)), 0.001 * random.normal(size=(runs, count))
    loss = loss_of(truth, params, tokens) * np.exp((kept + beside).ravel())
    names = np.repeat([f"run-{number:02d}" for number in range(runs)], count)
    return Study(truth, 0.004, {"run": names, "params": params, "tokens": tokens, "loss": loss})


def spike_at_the_end(seed: int) -> Outcome:
    study = looks(seed)
    place = 20 * int(generator(seed).integers(10)) + 19
    loss = float(study.columns["loss"][place]) * generator(seed).uniform(1.06, 1.5)
    return said(study.with_cell("loss", place, loss), [place])


def cut_off_while_falling(seed: int) -> Outcome:
    """One run that was stopped in its first steps, where the loss still falls as fast as tokens come in."""
    study, random = looks(seed), generator(seed)
    number = int(random.integers(10))
    rows = slice(20 * number, 20 * number + 20)
    loss = np.array(study.columns["loss"])
    last = float(loss[rows][-1])
    loss[rows] = 1.4 * last * np.geomspace(3.0 if 4.2 * last < 15 else 15 / (1.4 * last), 1.0, 20)
    tokens = np.array(study.columns["tokens"])
    tokens[rows] = tokens[rows][-1] * np.geomspace(0.3, 1.0, 20)
    return said(study.with_columns(loss=loss, tokens=tokens), [20 * number + 19])


def many_epochs(seed: int) -> Outcome:
    study, random = base(seed), generator(seed)
    unique = np.asarray(study.columns["tokens"]) / random.uniform(0.2, 3.9, study.size)
    many = random.choice(study.size, int(random.integers(1, 5)), replace=False)
    unique[many] = study.columns["tokens"][many] / random.uniform(5.0, 60.0, len(many))
    return said(study.with_columns(unique_tokens=unique), many)


def loss_off_the_curve(seed: int) -> Outcome:
    """A loss typed or measured wrong by 15 to 60 %."""
    study, random = base(seed), generator(seed)
    place = int(random.integers(study.size))
    factor = np.exp(random.choice([-1.0, 1.0]) * random.uniform(np.log(1.15), np.log(1.6)))
    return said(study.with_cell("loss", place, float(study.columns["loss"][place]) * factor), [place])


def several_off_the_curve(seed: int) -> Outcome:
    """Two or three losses that are 15 to 60 % too high, in 24 runs and more."""
    study, random = base(seed, least_runs=24), generator(seed)
    places = random.choice(study.size, int(random.integers(2, 4)), replace=False)
    loss = np.array(study.columns["loss"])
    loss[places] *= random.uniform(1.15, 1.6, len(places))
    return said(study.with_columns(loss=loss), places)


def one_run_carries_the_forecast(seed: int) -> Outcome:
    """A ladder over a decade, and one run far beyond it whose loss is 6 to 12 % off: the curve goes through it."""
    random = generator(seed)
    truth = clean_study(seed).truth
    size, data = (axis.ravel() for axis in np.meshgrid(np.geomspace(2e7, 2e8, 5), np.geomspace(5e8, 5e9, 5)))
    params, tokens = np.append(size, 2e8 * 30.0), np.append(data, 5e9 * 30.0)
    loss = loss_of(truth, params, tokens) * np.exp(0.004 * random.normal(size=len(params)))
    loss[-1] *= np.exp(random.choice([-1.0, 1.0]) * random.uniform(0.06, 0.12))
    return said(Study(truth, 0.004, {"params": params, "tokens": tokens, "loss": loss}), [len(params) - 1])


def unit_slip(column: str) -> Kind:
    """One cell of `column` a thousand, a million or a billion times too large or too small."""

    def plant(seed: int) -> Outcome:
        study, random = base(seed, metadata=False), generator(seed)
        place = int(random.integers(study.size))
        value = float(study.columns[column][place]) * SLIPS[seed % len(SLIPS)]
        return said(study.with_cell(column, place, value), [place])

    return kind(25, f"{column} of one row off by 10^±3, 10^±6 or 10^9", "unit-slip excluded-rows", plant)


def slip_of_a_loss(seed: int) -> Outcome:
    study, random = base(seed), generator(seed)
    place = int(random.integers(study.size))
    return said(study.with_cell("loss", place, float(study.columns["loss"][place]) * 1e-3), [place])


def slip_of_compute(seed: int) -> Outcome:
    study, random = base(seed, metadata=True), generator(seed)
    place = int(random.integers(study.size))
    value = float(study.columns["compute"][place]) * SLIPS[seed % 4]
    return said(study.with_cell("compute", place, value), [place])


def slip_beside_compute(seed: int) -> Outcome:
    """A slip of size or data in a table that has the compute of every run."""
    study, random = base(seed, metadata=True), generator(seed)
    place = int(random.integers(study.size))
    column = ("params", "tokens")[seed % 2]
    value = float(study.columns[column][place]) * SLIPS[seed % 4]
    columns = {name: values for name, values in study.columns.items() if not name.startswith("params_")}
    if column == "tokens":
        columns |= {"horizon_tokens": study.with_cell(column, place, value).columns["tokens"]}
    changed = Study(study.truth, study.noise, columns).with_cell(column, place, value)
    return said(changed, [place])


def copied_row(seed: int) -> Outcome:
    study, random = base(seed), generator(seed)
    place = int(random.integers(study.size))
    columns = {
        name: np.append(np.array(values, dtype=object), [values[place]]) for name, values in study.columns.items()
    }
    return said(Study(study.truth, study.noise, columns), [study.size])


def one_run_two_losses(seed: int) -> Outcome:
    study, random = base(seed, metadata=True), generator(seed)
    place = int(random.integers(study.size))
    columns = {
        name: np.append(np.array(values, dtype=object), [values[place]]) for name, values in study.columns.items()
    }
    columns["run"][-1] = "run-again"
    columns["loss"][-1] = columns["loss"][-1] * 1.01
    return said(Study(study.truth, study.noise, columns), [place, study.size])


def rounded(seed: int) -> Outcome:
    return Outcome(published_fit(ROUNDED[seed % len(ROUNDED)]).findings)


def mixed(column: str) -> Kind:
    """Some rows with another value of `column`."""

    def plant(seed: int) -> Outcome:
        study, random = base(seed, metadata=True), generator(seed)
        other = random.choice(study.size, int(random.integers(1, max(2, study.size // 3))), replace=False)
        values = np.array(study.columns[column], dtype=object)
        values[other] = "bits per byte" if column == "loss_unit" else "another"
        return said(study.with_columns(**{column: values}), other)

    return kind(26, f"{column} differs between rows", "mixed-provenance", plant)


def mixed_sources(seed: int) -> Outcome:
    """Two files of the same ladder on other texts, read together."""
    first, second = base(seed, metadata=True), base(seed + 500, metadata=True)
    while second.size >= first.size:
        seed += 1000
        first, second = base(seed, metadata=True), base(seed + 500, metadata=True)
    columns = {name: [*values, *second.columns[name]] for name, values in first.columns.items()}
    columns["dataset"] = ["web-2"] * first.size + ["code"] * second.size
    table = Study(first.truth, first.noise, columns)
    return Outcome(fitted(table).findings, lines(range(first.size, first.size + second.size)))


KINDS = (
    kind(22, "a loss of 0, -2.1, 1,034, NaN or infinity", "excluded-rows", impossible_loss),
    kind(22, "a run whose state is diverged, failed or crashed", "excluded-rows", diverged_run),
    kind(22, "a loss above that of a uniform guess", "excluded-rows", untrained_run),
    kind(22, "a jump of the loss at the end of a run", "excluded-rows", spike_at_the_end),
    kind(22, "a run cut off while its loss falls fast", "still-falling", cut_off_while_falling),
    kind(22, "data seen 5 to 60 times", "repeated-data", many_epochs),
    kind(24, "a loss 15 to 60 % off", "outlier", loss_off_the_curve),
    kind(24, "two or three losses 15 to 60 % too high", "outlier", several_off_the_curve),
    kind(
        24,
        "a far run, 6 to 12 % off, that carries the forecast",
        "outlier influential-run",
        one_run_carries_the_forecast,
    ),
    unit_slip("params"),
    unit_slip("tokens"),
    kind(25, "a loss a thousand times too small", "unit-slip", slip_of_a_loss),
    kind(25, "compute of one row off by 10^±3 or 10^±6", "unit-slip", slip_of_compute),
    kind(25, "params or tokens of one row off, compute given", "unit-slip excluded-rows", slip_beside_compute),
    kind(25, "a row copied", "duplicate-rows", copied_row),
    kind(25, "one configuration and seed with two losses", "conflicting-rows", one_run_two_losses),
    kind(25, "constants printed with two or three digits", "rounded-constants", rounded),
    *(mixed(column) for column in ("tokenizer", "dataset", "eval_set", "loss_unit")),
    kind(26, "two ladders on different texts in one table", "mixed-provenance", mixed_sources),
)
