#!/usr/bin/env python3
"""Opens a study with Optuna, as it is, and prints what Optuna sees.

Usage: check_optuna.py STUDY_DIRECTORY [--dashboard]
       check_optuna.py postgresql://USER@HOST/DATABASE [--study NAME] [--front NUMBERS] [--dashboard]

Needs `pip install optuna plotly pandas scikit-learn`, and psycopg2-binary for PostgreSQL, where it makes a schema for the
comparison and drops it again. Checks, beside loading, that the tables are those that Optuna itself would make, that the
trial numbers are consecutive, that every finished trial lies on the grid of its distributions, that claimed trials have
heartbeats of the past, that the best trials are the non-dominated ones (and have the values of the trials in --front, as
0,7,12), and that plots, the table of trials and parameter importances can be made; with --dashboard (`pip install
optuna-dashboard`) also that optuna-dashboard serves the study with all of its trials. Exit code 1 if not.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import optuna
import sqlalchemy
from sqlalchemy.pool import NullPool

# Ours, beside Optuna's.
EXTRA_TABLES = {"nas_search_files"}


def tables(url: str) -> dict:
    """Columns (name, type, not null, default), keys, unique column sets and indices of every table, and versions."""
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    inspector = sqlalchemy.inspect(engine)
    result = {}
    for name in set(inspector.get_table_names()) - EXTRA_TABLES:
        columns = [
            # The numbers that PostgreSQL gives out come from a sequence, whose name has the schema in it.
            (c["name"], repr(c["type"]), c["nullable"], str(c["default"]).split("(")[0])
            for c in inspector.get_columns(name)
        ]
        result[name] = (
            columns,
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted(tuple(u["column_names"]) for u in inspector.get_unique_constraints(name)),
            sorted((i["name"], i["unique"], tuple(i["column_names"])) for i in inspector.get_indexes(name)),
            sorted(
                (tuple(k["constrained_columns"]), k["referred_table"], tuple(k["referred_columns"]))
                for k in inspector.get_foreign_keys(name)
            ),
        )
    with engine.connect() as connection:
        for column, table in [("version_num", "alembic_version"), ("schema_version", "version_info")]:
            result[column] = connection.execute(sqlalchemy.text(f"SELECT {column} FROM {table}")).scalars().all()
    return result


def differences(ours: dict, fresh: dict) -> list:
    return [
        f"the table {name} differs from that of Optuna {optuna.__version__}: {ours.get(name)}, not {fresh.get(name)}"
        for name in sorted(ours.keys() | fresh.keys())
        if ours.get(name) != fresh.get(name)
    ]


def compare_file(url: str) -> list:
    with tempfile.TemporaryDirectory() as directory:
        fresh = f"sqlite:///{Path(directory) / 'fresh.db'}"
        optuna.create_study(study_name="fresh", storage=fresh)
        return differences(tables(url), tables(fresh))


def compare_server(url: str) -> list:
    schema = f"optuna_check_{os.getpid()}"
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)

    def execute(statement: str) -> None:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement))

    execute(f"CREATE SCHEMA {schema}")
    try:
        fresh = url + ("&" if "?" in url else "?") + f"options=-csearch_path%3D{schema}"
        storage = optuna.storages.RDBStorage(fresh, engine_kwargs={"poolclass": NullPool})
        optuna.create_study(study_name="fresh", storage=storage)
        return differences(tables(url), tables(fresh))
    finally:
        execute(f"DROP SCHEMA {schema} CASCADE")


def heartbeats(url: str) -> list:
    """Ages in seconds of the heartbeats of running trials, as Optuna reckons them, by trial number."""
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        now = connection.execute(sqlalchemy.select(sqlalchemy.func.now())).scalar().replace(tzinfo=None)
        metadata = sqlalchemy.MetaData()
        trials = sqlalchemy.Table("trials", metadata, autoload_with=engine)
        beats = sqlalchemy.Table("trial_heartbeats", metadata, autoload_with=engine)
        query = (
            sqlalchemy.select(trials.c.number, beats.c.heartbeat)
            .join(beats, beats.c.trial_id == trials.c.trial_id)
            .where(trials.c.state == "RUNNING")
        )
        return [(number, (now - beat).total_seconds()) for number, beat in connection.execute(query)]


def dominates(one: list, other: list) -> bool:
    return all(a <= b for a, b in zip(one, other)) and one != other


def non_dominated(study: optuna.Study) -> set:
    signs = [1 if direction == optuna.study.StudyDirection.MINIMIZE else -1 for direction in study.directions]
    points = {
        trial.number: [sign * value for sign, value in zip(signs, trial.values)]
        for trial in study.trials
        if trial.state == optuna.trial.TrialState.COMPLETE
    }
    return {n for n, point in points.items() if not any(dominates(other, point) for other in points.values())}


def check_study(study: optuna.Study, front: list | None) -> list:
    name = study.study_name
    problems = []
    trials = study.trials
    directions = [direction.name.lower() for direction in study.directions]
    print(f"study {name!r}: {len(trials)} trials, {', '.join(directions)}, metrics {study.metric_names}")
    for state in optuna.trial.TrialState:
        count = sum(trial.state == state for trial in trials)
        if count:
            print(f"  {state.name.lower():10} {count}")
    if [trial.number for trial in trials] != list(range(len(trials))):
        problems.append(f"the trial numbers of {name!r} are not consecutive")
    for trial in trials:
        for key, distribution in trial.distributions.items():
            if not distribution._contains(distribution.to_internal_repr(trial.params[key])):
                problems.append(f"trial {trial.number}: {key} = {trial.params[key]} is outside {distribution}")
    best = sorted(study.best_trials, key=lambda trial: trial.values)
    print(f"  {len(best)} best trials:")
    for trial in best:
        widths = " ".join(f"{key}={value}" for key, value in list(trial.params.items())[:5])
        values = ", ".join(f"{value:.6g}" for value in trial.values)
        owner = trial.system_attrs.get("nas_search:owner")
        print(f"  {trial.number:5} [{values}] {trial.user_attrs.get('origin')} {widths} … {owner or ''}")
    if len(directions) > 1 and {trial.number for trial in best} != non_dominated(study):
        problems.append(f"the best trials of {name!r} are not the non-dominated ones")
    if front is not None and {tuple(t.values) for t in best} != {tuple(trials[number].values or ()) for number in front}:
        problems.append(f"the best trials of {name!r} are not the front {front}")

    frame = study.trials_dataframe(multi_index=False)
    print(f"  table of trials: {len(frame)} rows, {len(frame.columns)} columns")
    if len(best) == 0:
        return problems
    if len(directions) > 1:
        figure = optuna.visualization.plot_pareto_front(study)
        print(f"  Pareto plot: {[(series.name, len(series.x)) for series in figure.data]}")
    importances = optuna.importance.get_param_importances(
        study, target=lambda trial: trial.values[0], evaluator=optuna.importance.PedAnovaImportanceEvaluator()
    )
    print(f"  importances for the first objective: {[(k, round(v, 3)) for k, v in list(importances.items())[:3]]}")
    return problems


def check_dashboard(url: str, names: list) -> list:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = str(Path(sys.executable).with_name("optuna-dashboard"))
    server = subprocess.Popen([program, url, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def get(path: str) -> bytes:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60).read()

    problems = []
    try:
        for attempt in range(120):
            try:
                page = get("/dashboard/")
                break
            except OSError:
                if server.poll() is not None or attempt == 119:
                    return ["optuna-dashboard does not answer"]
                time.sleep(0.5)
        if b"<html" not in page.lower():
            problems.append("optuna-dashboard serves no page")
        served = {item["study_name"]: item["study_id"] for item in json.loads(get("/api/studies"))["study_summaries"]}
        for name in names:
            # A search may be going on: at least the trials of before.
            before = len(optuna.load_study(study_name=name, storage=url).trials)
            trials = json.loads(get(f"/api/studies/{served[name]}?after=0"))["trials"] if name in served else []
            print(f"optuna-dashboard: study {name!r} with {len(trials)} trials")
            if len(trials) < before:
                problems.append(f"optuna-dashboard shows {len(trials)} of {before} trials of {name!r}")
    finally:
        server.terminate()
        server.wait()
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place")
    parser.add_argument("--study")
    parser.add_argument("--front", type=lambda text: [int(number) for number in text.split(",")])
    parser.add_argument("--dashboard", action="store_true")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    if arguments.place.startswith("postgres"):
        url = "postgresql+psycopg2://" + arguments.place.split("://", 1)[1]
        problems = compare_server(url)
    else:
        url = f"sqlite:///{(Path(arguments.place) / 'study.db').resolve()}"
        problems = compare_file(url)
    print(f"tables: {'like' if not problems else 'unlike'} those of Optuna {optuna.__version__}")
    names = [arguments.study] if arguments.study else optuna.get_all_study_names(storage=url)
    for name in names:
        problems += check_study(optuna.load_study(study_name=name, storage=url), arguments.front)
    ages = heartbeats(url)
    print("heartbeats of running trials, seconds ago: " + ", ".join(f"{number}: {age:.0f}" for number, age in ages))
    problems += [f"the heartbeat of trial {n} is {age:.0f} s old" for n, age in ages if not -1 < age < 86400]

    if arguments.dashboard:
        problems += check_dashboard(url, names)

    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
