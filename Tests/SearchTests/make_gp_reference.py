"""Writes GaussianProcessReference.swift: posteriors and likelihoods of an independent implementation.

The Matérn part of the kernel is scikit-learn's, the rest is the textbook formula with explicit inverses (Rasmussen and
Williams, 2006, equations 2.41, 2.42 and 2.30). Needs numpy and scikit-learn:

    python3 Tests/SearchTests/make_gp_reference.py
"""

import pathlib

import numpy as np
from sklearn.gaussian_process.kernels import Matern

LOWS, HIGHS, STEPS = np.array([0, 32, -4]), np.array([3, 1536, 6]), np.array([1, 32, 2])
LEVELS = np.array([3, 2])
LENGTHS, CHOICE_LENGTHS, SIGNAL, NOISE = np.array([0.6, 1.3, 0.9]), np.array([2.0, 5.0]), 1.7, 0.003


def kernel(a, b):
    scale = lambda x: (x[:, :3] - LOWS) / (HIGHS - LOWS)
    matern = Matern(length_scale=LENGTHS, nu=2.5)(scale(a), scale(b))
    different = a[:, None, 3:] != b[None, :, 3:]
    return SIGNAL * matern * np.exp(-(different / CHOICE_LENGTHS).sum(-1))


def regress(x, y, points, trend, trend_points):
    location, scale = y.mean(), y.std()
    z = (y - location) / scale
    k = kernel(x, x) + NOISE * np.eye(len(x))
    inverse = np.linalg.inv(k)
    coefficients = np.linalg.inv(trend.T @ inverse @ trend)
    beta = coefficients @ trend.T @ inverse @ z
    residual = z - trend @ beta
    across = kernel(x, points)
    mean = trend_points @ beta + across.T @ inverse @ residual
    u = trend_points.T - trend.T @ inverse @ across
    variance = SIGNAL - np.einsum("ij,ik,kj->j", across, inverse, across)
    variance += np.einsum("ij,ik,kj->j", u, coefficients, u)
    likelihood = -0.5 * residual @ inverse @ residual - 0.5 * np.linalg.slogdet(k)[1]
    likelihood -= len(x) / 2 * np.log(2 * np.pi)
    return mean * scale + location, variance * scale**2, likelihood


def prediction(x):
    return 0.25 * x[:, 0] + 0.001 * x[:, 1]


def literal(values):
    return "[" + ", ".join(repr(float(v)) for v in values) + "]"


def genomes(x):
    return "[\n" + "".join("    [" + ", ".join(str(int(v)) for v in row) + "],\n" for row in x) + "  ]"


def main():
    random = np.random.default_rng(7)
    draw = lambda n: np.hstack([
        LOWS + STEPS * random.integers(0, (HIGHS - LOWS) // STEPS + 1, (n, 3)), random.integers(0, LEVELS, (n, 2))])
    x, points = draw(14), draw(5)
    y = 3 + prediction(x) + np.sin(x[:, 2]) + 0.3 * x[:, 3] - 0.2 * x[:, 4]
    flat = regress(x, y, points, np.ones((len(x), 1)), np.ones((len(points), 1)))
    columns = lambda p: np.stack([np.ones(len(p)), prediction(p)], 1)
    sloped = regress(x, y, points, columns(x), columns(points))
    text = f"""// Made by make_gp_reference.py.

enum GaussianProcessReference {{
  static let lengths: [Double] = {literal(LENGTHS)}
  static let choiceLengths: [Double] = {literal(CHOICE_LENGTHS)}
  static let signal = {SIGNAL}
  static let noise = {NOISE}
  static let genomes = {genomes(x)}
  static let targets: [Double] = {literal(y)}
  static let points = {genomes(points)}

  /// With a constant mean.
  static let means: [Double] = {literal(flat[0])}
  static let variances: [Double] = {literal(flat[1])}
  static let logLikelihood = {float(flat[2])!r}

  /// With the mean `a + b·(0.25·x₀ + 0.001·x₁)`.
  static let slopedMeans: [Double] = {literal(sloped[0])}
  static let slopedVariances: [Double] = {literal(sloped[1])}
  static let slopedLogLikelihood = {float(sloped[2])!r}
}}
"""
    (pathlib.Path(__file__).parent / "GaussianProcessReference.swift").write_text(text)


main()
