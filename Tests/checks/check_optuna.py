#!/usr/bin/env python3
"""Opens a study with Optuna, as it is, and prints what Optuna sees.

Usage: check_optuna.py STUDY_DIRECTORY

Needs `pip install optuna`. Checks, beside loading, that the tables are those that Optuna itself would make, that the
trial numbers are consecutive, and that every finished trial lies on the grid of its distributions. Exit code 1 if not.
"""

import sqlite3
import sys
import tempfile
from pathlib import Path

import optuna


def tables(path: Path) -> dict:
    """Columns (name, type, not null, primary key) and unique column sets of every table."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        result = {}
        for name in names:
            columns = [(c[1], c[2], c[3], c[5]) for c in connection.execute(f"PRAGMA table_info({name})")]
            indices = sorted(
                (index[2], tuple(c[2] for c in connection.execute(f"PRAGMA index_info({index[1]})")))
                for index in connection.execute(f"PRAGMA index_list({name})")
            )
            keys = sorted(key[2:5] for key in connection.execute(f"PRAGMA foreign_key_list({name})"))
            result[name] = (columns, indices, keys)
        result["migration"] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        result["version"] = connection.execute("SELECT schema_version FROM version_info").fetchall()
        return result


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    database = (Path(sys.argv[1]) / "study.db").resolve()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{database}"
    problems = []

    with tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory) / "fresh.db"
        optuna.create_study(study_name="fresh", storage=f"sqlite:///{fresh}")
        if tables(fresh) != tables(database):
            problems.append(f"the tables differ from those of Optuna {optuna.__version__}")

    for name in optuna.get_all_study_names(storage=storage):
        study = optuna.load_study(study_name=name, storage=storage)
        directions = [direction.name.lower() for direction in study.directions]
        print(f"study {name!r}: {len(study.trials)} trials, {', '.join(directions)}, metrics {study.metric_names}")
        for state in optuna.trial.TrialState:
            count = sum(trial.state == state for trial in study.trials)
            if count:
                print(f"  {state.name.lower():10} {count}")
        if [trial.number for trial in study.trials] != list(range(len(study.trials))):
            problems.append(f"the trial numbers of {name!r} are not consecutive")
        for trial in study.trials:
            for key, distribution in trial.distributions.items():
                if not distribution._contains(distribution.to_internal_repr(trial.params[key])):
                    problems.append(f"trial {trial.number}: {key} = {trial.params[key]} is outside {distribution}")
        best = sorted(study.best_trials, key=lambda trial: trial.values)
        print(f"  {len(best)} best trials:")
        for trial in best:
            widths = " ".join(f"{key}={value}" for key, value in list(trial.params.items())[:5])
            values = ", ".join(f"{value:.6g}" for value in trial.values)
            print(f"  {trial.number:5} [{values}] {trial.user_attrs.get('origin')} {widths} …")

    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
