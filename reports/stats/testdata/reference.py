"""Writes reference.json: what scipy says about a few small samples, counts
and noncentral t variables.

Made with scipy 1.10.1 and numpy 1.24.2:  python3 reference.py > reference.json
"""
import json

import numpy as np
from scipy import stats

SAMPLES = {
    "three seeds":     ([73.1, 73.4, 73.0], [72.0, 72.6, 72.1]),
    "two seeds":       ([35.0, 37.5], [27.0, 37.1]),
    "five, one tie":   ([46.1, 44.9, 45.2, 47.0, 46.1], [40.2, 41.7, 39.9, 40.8, 40.2]),
    "small and large": ([1e-6, 3e-6, 2e-6], [5e5, 7e5, 1e6]),
    "nine, a tie":     ([61.1, 62.6, 60.0, 63.1, 59.2, 61.7, 60.4, 64.4, 58.8], [60.8, 60.4, 59.9, 61.2, 60.3, 60.7, 60.6, 61.9, 58.8]),
    "far apart":       ([90.01, 90.02, 90.03, 90.02], [10.0, 10.1, 9.9, 10.0]),
    "unequal sizes":   ([61.1, 62.6, 60.0, 63.1, 59.2], [53.8, 48.4, 57.9]),
}
CONFIDENCE = [0.8, 0.9, 0.95, 0.99]
SHIFTS = [-3.0, 0.0, 3.0]
MARGIN = 3.0


def mean(x):
    n, m, se = len(x), np.mean(x), stats.sem(x)
    return estimate(n, m, se, n - 1)


def estimate(n, m, se, df):
    t = stats.t(df)
    return {
        "n": n, "mean": m, "se": se, "df": df,
        "intervals": [list(np.array(t.interval(c)) * se + m) for c in CONFIDENCE],
        "greater": [t.sf((m - s) / se) for s in SHIFTS],
        "less": [t.cdf((m - s) / se) for s in SHIFTS],
        "differs": 2 * t.sf(abs(m / se)),
        "equivalent": max(t.sf((m + MARGIN) / se), t.cdf((m - MARGIN) / se)),
    }


def welch(a, b):
    va, vb = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    df = (va + vb) ** 2 / (va ** 2 / (len(a) - 1) + vb ** 2 / (len(b) - 1))
    e = estimate(min(len(a), len(b)), np.mean(a) - np.mean(b), np.sqrt(va + vb), df)
    assert np.isclose(e["differs"], stats.ttest_ind(a, b, equal_var=False).pvalue)
    return e


def paired(a, b):
    e = mean(np.array(a) - np.array(b))
    assert np.isclose(e["differs"], stats.ttest_rel(a, b).pvalue)
    assert np.isclose(e["greater"][1], stats.ttest_rel(a, b, alternative="greater").pvalue)
    return e


def flips(a, b):
    """Scipy's paired randomization test, with all flips."""
    def p(alternative, shift=0.0):
        return stats.permutation_test(
            (np.array(a) - shift, b), lambda x, y, axis: np.mean(x - y, axis=axis), vectorized=True,
            permutation_type="samples", n_resamples=np.inf, alternative=alternative).pvalue
    return {
        "n": len(a), "mean": np.mean(a) - np.mean(b),
        "greater": [p("greater", s) for s in SHIFTS],
        "less": [p("less", s) for s in SHIFTS],
        "differs": p("two-sided"),
        "equivalent": max(p("greater", -MARGIN), p("less", MARGIN)),
    }


def fisher(k, n, l, m):
    return {"table": [k, n, l, m], "two": stats.fisher_exact([[k, n - k], [l, m - l]])[1]}


def share(k, n):
    ends = [stats.binomtest(k, n).proportion_ci(c, method="exact") for c in CONFIDENCE]
    return {"count": [k, n], "intervals": [[e.low, e.high] for e in ends]}


cases = []
for name, (a, b) in SAMPLES.items():
    case = {"name": name, "first": a, "second": b, "mean": mean(a), "welch": welch(a, b)}
    if len(a) == len(b):
        case["paired"] = paired(a, b)
        case["flips"] = flips(a, b)
        case["correlation"] = stats.pearsonr(a, b)[0]
    cases.append(case)

tails = [{"t": t, "df": df, "shift": shift, "above": stats.nct.sf(t, df, shift)}
         for t in (0.5, 1.9, 2.92, 6.3) for df in (1, 2, 3.7, 9, 60) for shift in (0.05, 0.8, 3.1, 7.5)]

print(json.dumps({
    "confidence": CONFIDENCE, "shifts": SHIFTS, "margin": MARGIN, "cases": cases,
    "fisher": [fisher(*t) for t in ((3, 3, 0, 3), (2, 5, 4, 5), (0, 4, 0, 6), (10, 40, 3, 35), (4, 8, 4, 8), (60, 100, 70, 90))],
    "shares": [share(*c) for c in ((0, 3), (3, 3), (1, 2), (9, 10), (50, 200))],
    "tails": tails,
}))
