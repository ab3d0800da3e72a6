"""Other optimisers on the problems of optimizer-benchmark, reimplemented in numpy.

    python3 peers.py --check check.json          # of optimizer-benchmark --problem P --check 100
    python3 peers.py --problem P --optimizer O --frame check.json [--evaluations 300] [--seeds 20]

Optimisers: optuna-random, optuna-nsga2, optuna-tpe, optuna-gp, pymoo-nsga2. The second form prints the JSON that
optimizer-benchmark prints. Needs numpy, optuna and pymoo; optuna-gp also scipy and torch.
"""

import argparse
import csv
import json
import pathlib
import sys
import time

import numpy as np

LAYERS, GROUPS, BLOCKS = 12, 8, 32
GROUP_COST, BLOCK_COST, BASE_COST = 24, 7, 1000


def zdt(second):
    def objectives(x):
        g = 1 + 9 * np.sum(x[1:]) / (50 * (len(x) - 1))
        f = x[0] / 50
        return [f, second(f, g)]

    return [(0, 50, 1)] * 20, objectives


def dtlz2():
    def objectives(x):
        x = np.asarray(x) / 50
        g = np.sum((x[1:] - 0.5) ** 2)
        return [(1 + g) * np.cos(x[0] * np.pi / 2), (1 + g) * np.sin(x[0] * np.pi / 2)]

    return [(0, 50, 1)] * 12, objectives


def widths():
    modules = np.arange(2 * LAYERS)
    top = np.where(modules % 2 == 0, GROUPS, BLOCKS)
    unit = np.where(modules % 2 == 0, GROUP_COST, BLOCK_COST)

    def objectives(x):
        width, choice = np.asarray(x[:-1]), x[-1]
        rank = (modules * 7 + choice * 5) % 11
        importance = 0.05 + 0.3 * rank**2 / 100 + (0 if choice == 2 else 0.05)
        return [np.expm1(np.sum(importance * (1 - width / top) ** 2)), BASE_COST + np.sum(unit * width)]

    return [(1, int(t), 1) for t in top] + [3], objectives


def recorded():
    """The table of real evaluations beside this file; a domain is a list of what a gene may be."""
    rows = list(csv.reader(open(pathlib.Path(__file__).with_name("recorded.csv"))))
    rows = rows[1:]
    columns = list(zip(*[row[:-2] for row in rows]))
    words = [not all(w.isdigit() for w in set(c)) for c in columns]
    values = [sorted(set(c), key=str if w else int) for w, c in zip(words, columns)]
    domain = [len(v) if w else (int(v[0]), int(v[-1]), int(v[1]) - int(v[0])) for w, v in zip(words, values)]
    table = {
        tuple(v.index(g) if w else int(g) for w, v, g in zip(words, values, row)): [float(row[-2]), float(row[-1])]
        for row in rows
    }
    return domain, lambda x: table[tuple(int(v) for v in x)]


# A domain of a variable is (low, high, step), or a number of choices.
PROBLEMS = {
    "zdt1": lambda: zdt(lambda f, g: g * (1 - np.sqrt(f / g))),
    "zdt2": lambda: zdt(lambda f, g: g * (1 - (f / g) ** 2)),
    "zdt3": lambda: zdt(lambda f, g: g * (1 - np.sqrt(f / g) - f / g * np.sin(10 * np.pi * f))),
    "dtlz2": dtlz2,
    "widths": widths,
    "recorded": recorded,
}


def hypervolume(points, reference):
    total, ceiling = 0.0, reference[1]
    for a, b in sorted(map(tuple, points)):
        if a < reference[0] and b < ceiling:
            total += (reference[0] - a) * (ceiling - b)
            ceiling = b
    return total


def optuna_sampler(name, seed):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = optuna.samplers
    return {
        "optuna-random": lambda: samplers.RandomSampler(seed=seed),
        "optuna-nsga2": lambda: samplers.NSGAIISampler(seed=seed, population_size=16),
        "optuna-tpe": lambda: samplers.TPESampler(seed=seed, multivariate=True, group=True),
        "optuna-gp": lambda: samplers.GPSampler(seed=seed, deterministic_objective=True),
    }[name]()


def run_optuna(name, domain, objectives, evaluations, seed):
    import optuna

    values = []

    def objective(trial):
        x = [
            trial.suggest_categorical(f"x{i}", list(range(d))) if isinstance(d, int)
            else trial.suggest_int(f"x{i}", d[0], d[1], step=d[2])
            for i, d in enumerate(domain)
        ]
        values.append([float(v) for v in objectives(x)])
        return values[-1]

    study = optuna.create_study(directions=["minimize"] * 2, sampler=optuna_sampler(name, seed))
    study.optimize(objective, n_trials=evaluations)
    return values


def run_pymoo(domain, objectives, evaluations, seed):
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    # pymoo knows whole numbers only: steps become 1, choices are numbered.
    bounds = np.array([(0, d - 1) if isinstance(d, int) else (0, (d[1] - d[0]) // d[2]) for d in domain])
    decode = lambda x: [v if isinstance(d, int) else d[0] + v * d[2] for d, v in zip(domain, x)]
    values = []

    class Wrapped(ElementwiseProblem):
        def __init__(self):
            super().__init__(n_var=len(bounds), n_obj=2, xl=bounds[:, 0], xu=bounds[:, 1], vtype=int)

        def _evaluate(self, x, out, *args, **kwargs):
            values.append([float(v) for v in objectives(decode(x))])
            out["F"] = values[-1]

    algorithm = NSGA2(
        pop_size=16, sampling=IntegerRandomSampling(), eliminate_duplicates=True,
        crossover=SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
        mutation=PM(eta=20, vtype=float, repair=RoundingRepair()))
    minimize(Wrapped(), algorithm, ("n_eval", evaluations), seed=seed, verbose=False)
    return values[:evaluations]


def check(path):
    frame = json.load(open(path))
    _, objectives = PROBLEMS[frame["problem"]]()
    found = np.array([objectives(g) for g in frame["genomes"]], float)
    error = np.max(np.abs(found - np.array(frame["objectives"])) / np.maximum(1, np.abs(found)))
    print(f"{frame['problem']}: {len(found)} genomes, largest relative difference {error:.1e}")
    sys.exit(int(error > 1e-12))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check")
    parser.add_argument("--problem", choices=PROBLEMS)
    parser.add_argument("--optimizer")
    parser.add_argument("--frame")
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    if options.check:
        check(options.check)
    frame = json.load(open(options.frame))
    domain, objectives = PROBLEMS[options.problem]()
    stops = sorted({n for n in [50, 100, 200, 300, options.evaluations] if n <= options.evaluations})
    seeds = list(range(1, options.seeds + 1))
    report = {"problem": options.problem, "optimizer": options.optimizer, "evaluations": options.evaluations,
              "seeds": seeds, "hypervolume": {str(n): [] for n in stops}, "seconds": []}
    for seed in seeds:
        start = time.time()
        if options.optimizer == "pymoo-nsga2":
            values = run_pymoo(domain, objectives, options.evaluations, seed)
        else:
            values = run_optuna(options.optimizer, domain, objectives, options.evaluations, seed)
        report["seconds"].append(time.time() - start)
        for n in stops:
            report["hypervolume"][str(n)].append(
                hypervolume(values[:n], frame["reference"]) / frame["bestHypervolume"])
    print(json.dumps(report, sort_keys=True))


main()
