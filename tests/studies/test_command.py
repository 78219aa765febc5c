"""A program of the user's as trainer: placeholders, exit codes, time limits, stops, logs, and a real one end to end."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from isoflop.errors import InputError, UsageError
from isoflop.runs.directory import RunDirectory, create_run_directory
from isoflop.studies.command import CommandFailed, read_log
from isoflop.studies.driver import prepare_study, run_study
from isoflop.studies.engine import CRASHED, DONE, STOPPED
from isoflop.studies.engines import engine_for
from isoflop.studies.placeholders import PLACEHOLDERS, check_placeholders, fill, places_of, values_of
from isoflop.studies.progress import QuietReporter
from isoflop.studies.study_file import parse_study
from isoflop.studies.worker import Outcome, work
from tests.faults.victims import CHEAP, processes_of, wait_until

LOG_A_LOSS = """echo '{{"tokens": {tokens}, "loss": 3.5}}' > {directory}/metrics.jsonl"""


@pytest.fixture
def directory(tmp_path: Path) -> Callable[..., RunDirectory]:
    """The directory of a run that is trained by `sh -c SCRIPT`, with further lines of `[trainer]`."""

    def make(script: str, more: str = "") -> RunDirectory:
        text = CHEAP.format(runs=1, pause=0)
        start, end = text.index("command ="), text.index("[ladder]")
        command = f"command = {json.dumps(['sh', '-c', script])}\n{more}\n"
        (tmp_path / "study.toml").write_text(text[:start] + command + text[end:])
        prepared = prepare_study(tmp_path / "study.toml")
        made = create_run_directory(tmp_path, prepared.planned[0].spec)
        made.set_launch(prepared.study.launch)
        return made

    return make


def train(directory: RunDirectory, stop: threading.Event | None = None) -> Outcome:
    return work(directory.path.parent.parent, directory.identifier, stop=stop or threading.Event())


def test_a_program_trains_a_run(directory: Callable[..., RunDirectory]) -> None:
    run = directory(f"echo {{layers}} {{width}} {{steps}} {{learning_rate:.2e}}; pwd; echo $MINE; {LOG_A_LOSS}",
                    'environment = { MINE = "yes" }')  # fmt: skip
    assert train(run) == Outcome(DONE)
    result = run.result()
    assert result is not None and (result.state, result.loss) == ("done", 3.5)
    assert result.curve.tokens == (4096,) and result.curve.step == (16,)
    assert RunDirectory(run.path).spec() == result.spec


@pytest.mark.parametrize(
    ("script", "more", "said"),
    [
        ("exit 7", "", "sh ended with exit code 7"),
        ("kill -9 $$", "", "sh was ended by SIGKILL"),
        ("true", "", "its log cannot be used"),
        ("""echo '{{"tokens": 99, "loss": 3.5}}' > {directory}/metrics.jsonl""", "", "ends after 99 of 4,096 tokens"),
        ("""echo '{{"tokens": 99}}' > {directory}/metrics.jsonl""", "", "no loss"),
        ("sleep 60", 'timeout = "300 ms"', "ended after trainer.timeout, 0.3 seconds"),
    ],
)
def test_a_program_that_fails_says_how(
    directory: Callable[..., RunDirectory], script: str, more: str, said: str
) -> None:
    run = directory(script, more)
    ended = train(run)
    assert ended.exit_code == CRASHED and said in ended.message and "Traceback" not in ended.message
    assert not run.is_done() and run.attempts()[0].end() == (CRASHED, ended.message)


def test_a_program_that_is_not_there_is_named(directory: Callable[..., RunDirectory]) -> None:
    run = directory("true")
    study = run.path.parent.parent / "study.toml"
    study.write_text(study.read_text().replace('"sh"', '"no-such-program"'))
    spec = prepare_study(study).planned[0].spec
    ended = train(create_run_directory(study.parent, spec))
    assert ended.exit_code == CRASHED and "no-such-program was not found" in ended.message


def test_a_loss_that_blows_up_is_recorded_and_not_tried_again(directory: Callable[..., RunDirectory]) -> None:
    lines = "".join(f'{{{{"step": {step}, "loss": {loss}}}}}\\n' for step, loss in ((1, 4.0), (2, 3.0), (3, "NaN")))
    run = directory(f"printf '{lines}' > {{directory}}/metrics.jsonl")
    assert train(run).exit_code == DONE
    result = run.result()
    assert result is not None and result.state == "diverged" and result.loss is None and "diverged" in result.message


def test_a_program_that_diverges_is_stopped_early(
    directory: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isoflop.studies.command.SECONDS_BETWEEN_LOOKS_AT_THE_LOG", 0.1)
    lines = "".join(f'{{{{"step": {step}, "loss": {step + 3}}}}}\\n' for step in range(1, 8))
    run = directory(f"printf '{lines}' > {{directory}}/metrics.jsonl; sleep 60")
    begin = time.monotonic()
    assert train(run).exit_code == DONE and time.monotonic() - begin < 20
    result = run.result()
    assert result is not None and result.state == "diverged" and "above the 4" in result.message


def test_a_stopped_program_saves_and_the_next_attempt_goes_on(directory: Callable[..., RunDirectory]) -> None:
    script = (
        "if [ -f {resume}/saved ]; then cat {resume}/saved; " + LOG_A_LOSS + "; exit 0; fi; "
        "trap 'echo where-it-was > {directory}/saved; exit 143' TERM; touch {directory}/begun; sleep 60 & wait $!"
    )
    # The whole script is one argument: without an earlier attempt it would be left out.
    run = directory(script.replace("{resume}", "$0"), "")
    study = run.path.parent.parent / "study.toml"
    text = study.read_text()
    place = text.index('"]', text.index("command ="))
    study.write_text(text[:place] + '", "{resume}' + text[place:])
    run = create_run_directory(study.parent, prepare_study(study).planned[0].spec)
    stop = threading.Event()
    worker = threading.Thread(target=lambda: outcomes.append(train(run, stop)))
    outcomes: list[Outcome] = []
    worker.start()
    assert wait_until(lambda: list(run.path.glob("attempts/1/output/begun")), 10)
    stop.set()
    worker.join(10)
    assert [outcome.exit_code for outcome in outcomes] == [STOPPED]
    assert not processes_of(study)
    assert train(run).exit_code == DONE
    assert run.attempts()[0].output_path.joinpath("saved").read_text() == "where-it-was\n"


def test_a_program_does_not_outlive_its_worker(directory: Callable[..., RunDirectory]) -> None:
    run = directory("trap '' TERM; touch {directory}/begun; while :; do sleep 0.1; done")
    pid = os.fork()
    if pid == 0:
        train(run)
        os._exit(0)
    assert wait_until(lambda: list(run.path.glob("attempts/1/output/begun")), 10)
    study = run.path.parent.parent / "study.toml"
    assert processes_of(study)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    # It does not heed SIGTERM, so that its grace passes first.
    assert wait_until(lambda: not processes_of(study), 8)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        (
            "--n={layer}",
            r"\[1\]='--n=\{layer\}': \{layer\} is not a placeholder: did you mean \{layers\}",
        ),
        ("{0}", r"\{0\} is not a placeholder"),
        ("{layers.real}", "is not a placeholder"),
        ("{layers!r}", "may carry a format such as"),
        ("{layers:q}", r"\{layers\} is a whole number, for which the format :q cannot be used"),
        *(
            (f"--it={{{name}:d}}", rf"\{{{name}\}} is a number with a fraction, for which the format :d cannot be used")
            for name in ("learning_rate", "final_learning_rate", "weight_decay", "beta1", "beta2", "clip")
        ),
        ("{layers:d}-{precision:d}", r"\{precision\} is text, for which the format :d cannot be used"),
        ("{", "write a literal brace twice"),
    ],
)
def test_a_placeholder_that_cannot_be_filled_is_named_before_anything_runs(argument: str, said: str) -> None:
    text = CHEAP.format(runs=1, pause=0)
    start, end = text.index("command ="), text.index("[ladder]")
    with pytest.raises(InputError, match=said):
        parse_study(text[:start] + f"command = {json.dumps(['train', argument])}\n" + text[end:], "study.toml")


def test_what_is_checked_before_is_of_the_kind_that_a_run_fills_in(directory: Callable[..., RunDirectory]) -> None:
    values = values_of(directory("true").spec()) | places_of(Path("/s"), Path("/s/o"), Path("/s/p"))
    assert values.keys() == PLACEHOLDERS.keys()
    formats = {int: ":d", float: ":.3e", str: ":s"}
    for name, value in values.items():
        for kind, written in formats.items():
            argument = f"{{{name}{written}}}"
            # Whole numbers may be written with a fraction.
            if kind is type(value) or (kind is float and type(value) is int):
                check_placeholders([argument], "trainer.command")
                assert fill([argument], values)
            else:
                with pytest.raises(UsageError, match=rf"\{{{name}\}} is .* cannot be used"):
                    check_placeholders([argument], "trainer.command")


def test_a_trainer_and_the_text_of_the_lab_do_not_go_together() -> None:
    text = CHEAP.format(runs=1, pause=0).replace('source = "own"', 'source = "synthetic"')
    with pytest.raises(InputError, match=r"text\.source must be 'own' where there is a \[trainer\]"):
        parse_study(text, "study.toml")


@pytest.mark.parametrize(
    ("name", "text", "loss"),
    [
        ("metrics.jsonl", '{"iter": 8, "train/loss": 3.9, "val/loss": 4.0}\n{"iter": 16, "val/loss": 3.5}\n', 3.5),
        ("log.csv", "step,tokens,val_loss\n8,2048,4.0\n16,4096,3.5\n", 3.5),
        ("last.csv", "tokens,loss\n4096,3.5\n", 3.5),
    ],
)
def test_any_log_is_read(
    tmp_path: Path, directory: Callable[..., RunDirectory], name: str, text: str, loss: float
) -> None:
    (tmp_path / name).write_text(text)
    log = read_log(tmp_path / name, directory("true").spec())
    assert log.loss[-1] == loss and log.step[-1] == 16 and log.tokens[-1] == 4096 and not log.diverged


def test_a_log_without_steps_is_a_question(tmp_path: Path, directory: Callable[..., RunDirectory]) -> None:
    (tmp_path / "log.csv").write_text("loss,note\n4.0,a\n3.5,b\n")
    with pytest.raises(CommandFailed, match="says neither step nor tokens"):
        read_log(tmp_path / "log.csv", directory("true").spec())


@pytest.mark.slow
def test_the_example_goes_from_a_plain_script_to_a_forecast(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository / "examples" / "own_trainer", tmp_path / "own")
    study = tmp_path / "own" / "study.toml"
    text = study.read_text().replace('"python3"', json.dumps(sys.executable))
    study.write_text(text.replace('["64k", "128k", "256k"]', '["16k", "32k", "64k"]').replace('"512k"', '"96k"'))
    outcome = run_study(study, engine=engine_for(study, "local"), reporter=QuietReporter())
    assert outcome.counts.done == 10 and outcome.report is not None
    assert outcome.held_out[0].actual is not None and abs(outcome.held_out[0].error or 1.0) < 0.2
