"""Writes all evaluations of a study as a table for the problem `recorded`: genes, then KL divergence and block parameters.

    python3 record.py runs/STUDY/study.db > recorded.csv

Needs optuna.
"""

import csv
import sys

import optuna


def main():
    storage = "sqlite:///" + sys.argv[1]
    name = optuna.get_all_study_names(storage)[0]
    trials = optuna.load_study(study_name=name, storage=storage).get_trials(states=[optuna.trial.TrialState.COMPLETE])
    genes = list(trials[0].params)
    rows = sorted([t.params[g] for g in genes] + [f"{t.values[0]:.6g}", round(t.values[1])] for t in trials)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(genes + ["kl", "parameters"])
    writer.writerows(rows)


main()
