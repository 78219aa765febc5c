"""Folders of logs, mapping files, benchmark results, live pulls, and what is never trusted."""

from __future__ import annotations

import json
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isoflop.errors import EnvironmentFailure, InputError, MissingExtraError, Refusal, UsageError
from isoflop.fitting.estimation import fit
from isoflop.readers.log import RunLog
from isoflop.readers.read import read_and_explain, read_runs
from isoflop.readers.sidecars import read_yaml_object
from isoflop.readers.write import write_runs
from isoflop.runs.table import RunTable
from tests.readers import golden
from tests.readers.corpus import LADDER
from tests.readers.test_trackers import HISTORY, POINTS, write_wandb


def codes(table: RunTable) -> list[str]:
    return [finding.code for finding in table.findings]


def ladder_of_logs(folder: Path, count: int = 3) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        text = golden.PRINTED["nanogpt"].replace("10.65M", f"{number + 1}M").replace("1.4697", f"{3 - number / 10}")
        (folder / f"run-{number}.log").write_text(text)


def test_a_folder_of_logs_is_one_row_a_run_with_progress(tmp_path: Path) -> None:
    ladder_of_logs(tmp_path / "logs")
    seen: list[tuple[str, int, int]] = []
    table = read_runs(tmp_path / "logs", progress=lambda what, done, total: seen.append((what, done, total)))
    assert table["run"].tolist() == ["run-0", "run-1", "run-2"]
    assert table["params"].tolist() == [1e6, 2e6, 3e6]
    assert seen == [("runs", 1, 3), ("runs", 2, 3), ("runs", 3, 3)]


def test_logs_of_two_formats_are_a_question(tmp_path: Path) -> None:
    ladder_of_logs(tmp_path)
    write_wandb(tmp_path, "a", golden.wandb_file(HISTORY, {"n_params": 1e6}))
    with pytest.raises(Refusal, match=r"several formats \(3 of nanogpt, 1 of wandb\).*--format nanogpt"):
        read_runs(tmp_path)
    assert len(read_runs(tmp_path, format="nanogpt")) == 3
    with pytest.raises(UsageError, match="format='excel' must be one of trainer-state"):
        read_runs(tmp_path, format="excel")
    with pytest.raises(InputError, match="holds no trackio logs"):
        read_runs(tmp_path, format="trackio")


def test_tables_in_a_folder_are_joined_and_bad_files_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("params,tokens,loss\n1e6,1e9,3\n")
    (tmp_path / "b.csv").write_text("params,tokens,loss\n2e6,1e9,2.9\n")
    (tmp_path / "c.csv").write_text("params,tokens,loss\nmany,1e9,2.9\n")
    table = read_runs(tmp_path)
    assert table["loss"].tolist() == [3.0, 2.9]
    (finding,) = [finding for finding in table.findings if finding.code == "unreadable-files"]
    assert "c.csv, row 2, column 'params': 'many'" in finding.message


def test_an_empty_folder_and_one_without_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no runs, logs or tables that can be read"):
        read_runs(tmp_path)
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match=r"the first of 1 left out: .*a\.csv is empty"):
        read_runs(tmp_path)


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    ladder_of_logs(tmp_path / "elsewhere")
    ladder_of_logs(tmp_path / "logs", count=1)
    (tmp_path / "logs/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "logs/loop").symlink_to(tmp_path / "logs")
    assert len(read_runs(tmp_path / "logs")) == 1


def test_finals_of_a_table_of_checkpoints(tmp_path: Path) -> None:
    rows = [(run, step, 1e6, 1e6 * step, 4 - step / 10) for step in (1, 3, 2) for run in "ab"]
    text = "run,step,params,tokens,loss\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    (tmp_path / "runs.csv").write_text(text)
    assert len(read_runs(tmp_path / "runs.csv")) == 6
    table = read_runs(tmp_path / "runs.csv", rows="finals")
    assert table["step"].tolist() == [3, 3]
    assert table.row.tolist() == [4, 5]
    assert read_runs(table, rows="finals") is not None
    frame = {"run": ["a", "a"], "step": [1, 2], "params": [1e6] * 2, "loss": [3.0, 2.0]}
    assert read_runs(frame, rows="finals")["loss"].tolist() == [2.0]
    with pytest.raises(InputError, match="--rows finals needs a column run"):
        read_runs({"step": [1], "loss": [2.0]}, rows="finals")


def test_a_mapping_file_reads_a_log_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name, size in (("a", "1M"), ("b", "2M")):
        (tmp_path / f"logs/{name}.log").write_text(
            f"model of {size}\n[ep 1] it=10 heldout->3.5\n[ep 1] it=20 heldout->3.25\n"
        )
    mapping = tmp_path / "mine.toml"
    mapping.write_text(
        "[columns]\nheldout = 'loss'\n[set]\nbatch_tokens = '1k'\ntokenizer = 'bytes'\n[log]\n"
        "metrics = ['it=(?P<step>\\d+) heldout->(?P<heldout>[\\d.]+)']\nfacts = ['model of (?P<params>\\S+)']\n"
    )
    table = read_runs(tmp_path / "logs", mapping=mapping)
    assert table["run"].tolist() == ["a", "b"]
    assert table["params"].tolist() == [1e6, 2e6]
    assert table["loss"].tolist() == [3.25, 3.25]
    assert table["tokens"].tolist() == [20e3, 20e3]
    assert read_runs(tmp_path / "logs/a.log", mapping=mapping, rows="checkpoints")["loss"].tolist() == [3.5, 3.25]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[columns", "is not TOML"),
        ("[colums]\na = 'b'\n", "'colums' is no table"),
        ("columns = 3\n", r"write \[columns\] as a table"),
        ("[columns]\na = 3\n", "columns.a=3 must be a text"),
        ("[set]\ncontext = 'long'\n", "--set context='long'"),
        ("[set]\na = true\n", "set.a=True must be a number or a text"),
        ("[log]\nmetrics = []\n", "log.metrics is missing"),
        ("[log]\nmetrics = ['(']\n", "is no pattern"),
        ("[log]\nmetrics = ['x']\n", "names no group"),
        ("[log]\npatterns = ['x']\n", "log.patterns is no key"),
    ],
)
def test_a_wrong_mapping_file_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_runs({"N": [1e6], "loss": [3.0]}, mapping=tmp_path / "map.toml")


def write_results(folder: Path, model: str, score: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    results = json.loads(json.dumps(golden.LM_EVAL))
    results["config"]["model_args"] = f"pretrained={model},dtype=float32"
    results["results"]["arc_easy"]["acc,none"] = score
    (folder / "results_2026-01-01T00-00-00.json").write_text(json.dumps(results))


def test_lm_eval_results_alone_have_scores_and_standard_errors(tmp_path: Path) -> None:
    write_results(tmp_path, "/models/small", 0.61)
    table = read_runs(tmp_path)
    assert table["run"].tolist() == ["small"]
    assert table["params"].tolist() == [100000]
    assert table["eval:arc_easy"].tolist() == [0.61]
    assert table["eval:arc_easy:se"].tolist() == [0.01]
    assert table["eval:arc_easy:acc_norm"].tolist() == [0.55]
    assert table["eval:wikitext"].tolist() == [30.5]


def test_lm_eval_results_join_the_run_of_their_model(tmp_path: Path) -> None:
    ladder_of_logs(tmp_path / "logs")
    write_results(tmp_path / "evals/a", "/models/run-1", 0.5)
    write_results(tmp_path / "evals/b", "/models/other", 0.9)
    table = read_runs([tmp_path / "logs", tmp_path / "evals"])
    assert table["run"].tolist() == ["run-0", "run-1", "run-2"]
    assert table["eval:arc_easy"].tolist() == pytest.approx([float("nan"), 0.5, float("nan")], nan_ok=True)
    assert {"evals-joined", "evals-without-run"} <= set(codes(table))
    (tmp_path / "runs.csv").write_text("run,params,tokens,loss\nrun-1,1e6,1e9,3\n")
    assert read_runs([tmp_path / "runs.csv", tmp_path / "evals"])["eval:arc_easy"].tolist() == [0.5]


class Server:
    """A stand-in for the W&B client: sampled histories must not be asked for."""

    class Error(Exception):
        pass

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def Api(self) -> Server:
        return self

    def runs(self, path: str) -> list[Any]:
        if self.fails:
            raise OSError("no route to host")
        return [self.run(f"{path}/{name}") for name in ("a", "b")]

    def run(self, path: str) -> Any:
        def sampled() -> None:
            raise AssertionError("history() returns a sample")

        rows = [{"_step": step, "val/loss": 4 - step / 1000} for step in range(1, 1001)]
        run = types.SimpleNamespace(
            id=path[-1], name=path[-1], state="finished", config={"n_params": 1e6, "max_steps": 1000}
        )
        run.scan_history, run.history = lambda: iter(rows), sampled
        return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    stand_in = Server()
    monkeypatch.setitem(sys.modules, "wandb", stand_in)  # type: ignore[arg-type]
    yield stand_in


def test_live_runs_are_read_whole_never_sampled(server: Server) -> None:
    table = read_runs("wandb:team/project", rows="checkpoints")
    assert len(table) == 2 * 1000
    finals = read_runs("wandb:team/project/a")
    assert (finals["run"].tolist(), finals["loss"].tolist(), finals["step"].tolist()) == (["a"], [3.0], [1000])


def test_a_server_that_does_not_answer_is_told_in_a_sentence(server: Server) -> None:
    server.fails = True
    with pytest.raises(EnvironmentFailure, match="wandb:team/project cannot be read from the server: no route"):
        read_runs("wandb:team/project")
    with pytest.raises(UsageError, match="is no address"):
        read_runs("wandb:team")
    with pytest.raises(UsageError, match="is no address"):
        read_runs("hf:model")


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wandb", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r'pip install "isoflop\[wandb\]"'):
        read_runs("wandb:team/project")
    with pytest.raises(MissingExtraError, match=r'pip install "isoflop\[hf\]"'):
        read_runs("hf:owner/model")


def test_a_hub_repository_gives_its_training_logs_without_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def snapshot_download(repository: str, revision: str | None, allow_patterns: list[str], local_dir: str) -> str:
        asked.append(allow_patterns)
        Path(local_dir, "trainer_state.json").write_text(json.dumps(golden.TRAINER_STATE))
        return local_dir

    info = types.SimpleNamespace(safetensors=types.SimpleNamespace(total=8128))
    hub = types.SimpleNamespace(
        snapshot_download=snapshot_download,
        HfApi=lambda: types.SimpleNamespace(model_info=lambda repository, revision: info),
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)  # type: ignore[arg-type]
    table = read_runs("hf:owner/model@main")
    assert table["run"].tolist() == ["owner/model"]
    assert table["params_total"].tolist() == [8128]
    assert table["loss"].tolist() == [4.0]
    assert not any("safetensors" in pattern for pattern in asked[0])


YAML_BOMBS = {
    "aliases": "a: &a [x, x, x]\n" + "".join(f"b{n}: [*a, *a, *a]\n" for n in range(9)),
    "recursion": "a: &a [*a, *a]\n",
    "depth": "a: " + "[" * 50 + "]" * 50,
    "python": "a: !!python/object/apply:os.system ['true']\n",
    "repeated": "a: 1\na: 2\n",
    "torn": "a: [1, 2\n",
    "list": "- 1\n",
    "huge": "a: " + "x" * (2 << 20),
    "merge": "a: &a {b: 1}\nc: {<<: *a, <<: *a, [1]: 2}\n",
}


@pytest.mark.parametrize("text", YAML_BOMBS.values(), ids=YAML_BOMBS.keys())
def test_yaml_is_read_without_trust(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=r"config\.yaml"):
        read_yaml_object(tmp_path / "config.yaml")


def test_yaml_numbers_are_numbers_to_us_that_are_text_to_yaml(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: 1e18\nb: {c: [2E-4]}\nd: &x 3\ne: *x\n")
    assert read_yaml_object(tmp_path / "config.yaml") == {"a": 1e18, "b": {"c": [2e-4]}, "d": 3, "e": 3}
    (tmp_path / "config.yaml").write_text("")
    assert read_yaml_object(tmp_path / "config.yaml") == {}


@pytest.mark.parametrize("name", ["model.pt", "model.ckpt", "frame.joblib", "frame.csv"])
def test_pickles_are_refused_by_content_with_the_recipe_also_in_folders(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")
    with pytest.raises(InputError, match=r"is a pickle.*pandas\.read_pickle"):
        read_runs(tmp_path / name)
    ladder_of_logs(tmp_path)
    assert len(read_runs(tmp_path)) == 3


def test_no_reader_unpickles(tmp_path: Path) -> None:
    events: list[str] = []
    watching = [True]

    def audit(event: str, arguments: object) -> None:
        if watching[0] and event == "pickle.find_class":
            events.append(event)

    sys.addaudithook(audit)
    import pickle

    for protocol in range(6):
        (tmp_path / f"{protocol}.csv").write_bytes(pickle.dumps(RunLog("a", "a", {}), protocol=protocol))
        with pytest.raises(InputError):
            read_runs(tmp_path / f"{protocol}.csv")
    watching[0] = False
    assert events == []


def test_what_a_spreadsheet_would_run_is_written_as_text(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text('run,=cmd,params,loss\n=1+1,@x,1e6,3\n"+a,b",-y,2e6,2.9\n')
    write_runs(read_runs(tmp_path / "runs.csv"), tmp_path / "out.csv")
    written = (tmp_path / "out.csv").read_text()
    assert written.splitlines()[:3] == ["run,'=cmd,params,loss", "'=1+1,'@x,1000000,3", "\"'+a,b\",'-y,2000000,2.9"]


def test_a_table_written_is_read_back_alike(tmp_path: Path) -> None:
    ladder_of_logs(tmp_path / "logs")
    table = read_runs(tmp_path / "logs", param_count="total")
    for ending in (".csv", ".jsonl", ".parquet"):
        write_runs(table, tmp_path / f"runs{ending}")
        again, readings = read_and_explain(tmp_path / f"runs{ending}", param_count="total")
        assert list(again.columns) == list(table.columns)
        for name in table.columns:
            assert again[name].tolist() == table[name].tolist(), (ending, name)
        assert all(item.column == item.taken_for for item in readings)


def test_points_of_a_log_are_those_of_the_tool(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.vm").write_bytes(golden.events_file(POINTS))
    table = read_runs(tmp_path, rows="checkpoints")
    assert table["step"].tolist() == [20, 40]
    assert table["loss"].tolist() == [3.25, 2.75]
    assert table["train_loss"].tolist() == [3.5, 3.0], "as logged last before"


def test_a_law_is_fitted_to_a_folder_of_logs(tmp_path: Path) -> None:
    for run, size, tokens, loss in LADDER:
        points = ((1, 9.0, tokens / 100), (100, loss, tokens))
        history = [{"_step": step, "val/loss": value, "tokens_seen": seen} for step, value, seen in points]
        write_wandb(tmp_path, run, golden.wandb_file(history, {"n_params": size, "max_steps": 100}, name=run))
    fitted = fit("chinchilla", tmp_path, draws=0)
    found = dict(zip(fitted.law.parameter_names, fitted.theta.tolist(), strict=True))
    assert found["alpha"] == pytest.approx(0.34, abs=1e-3)
    assert found["beta"] == pytest.approx(0.28, abs=1e-3)
    assert set(fitted.runs["run"]) == {row[0] for row in LADDER}


def test_a_table_that_has_a_step_of_a_run_twice_keeps_the_row_written_last(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(
        "run,step,params,tokens,seed,loss\n"
        "a,1,1e6,1e8,0,4\na,2,1e6,2e8,0,9\na,2,1e6,2e8,0,3\na,3,1e6,3e8,0,2.5\n"  # restarted after step 1
        "b,1,1e6,1e8,0,4.1\nb,1,1e6,1e8,1,4.2\n"  # two seeds under one name
        "c,1,1e6,1e8,0,4.3\nc,1,1e6,1e8,0,4.3\n"  # a copy
    )
    table = read_runs(tmp_path / "runs.csv")
    assert table.row.tolist() == [2, 4, 5, 6, 7, 8, 9]
    assert [(item.row, item.reason) for item in table.excluded] == [(3, "run a, step 2 comes again in row 4")]
    (finding,) = [finding for finding in table.findings if finding.code == "overlapping-rows"]
    assert finding.rows == (3,)
    assert "duplicate-rows" in codes(table)
