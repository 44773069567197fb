"""Makes the fixtures of sklearn_test.go. Needs numpy, scipy and scikit-learn.

    python3 sklearn_fixtures.py

reads features.bin and writes sklearn.json: what the protocol of linear.go and
knn.go gives with scikit-learn's LogisticRegression and KNeighborsClassifier.

features.bin holds, one after the other, the features [TRAIN, DIM] and
[TEST, DIM] of two encoders, in float32, and the labels [TRAIN] and [TEST], in
bytes. The images are the first ones of Fashion-MNIST's files. The encoders are
of the study "quick", seed 1: bn, and none, which collapsed. To make it anew,
which needs PyTorch too:

    ablate run quick
    ablate export encoder RUN --out bn.safetensors      # and none.safetensors
    python3 sklearn_fixtures.py bn.safetensors none.safetensors IMAGES

where IMAGES is the folder of the dataset's .gz files.
"""

import gzip
import json
import pathlib
import sys
import warnings

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

HERE = pathlib.Path(__file__).parent
TRAIN, TEST, DIM, CLASSES = 1200, 1000, 64, 10
PENALTIES = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
HOLDOUT = 0.2
NEIGHBOURS, TEMPERATURE = 20, 0.1


def extract(bn, none, images):
    """Writes features.bin."""
    sys.path.insert(0, str(HERE.parents[2] / "docs"))
    import torch
    from load_encoder import load

    def read(name, header, n):
        raw = gzip.decompress((pathlib.Path(images) / name).read_bytes())
        return np.frombuffer(raw, np.uint8, offset=header).reshape(-1, 784 if header == 16 else 1)[:n].copy()

    train, test = read("train-images-idx3-ubyte.gz", 16, TRAIN), read("t10k-images-idx3-ubyte.gz", 16, TEST)
    labels = read("train-labels-idx1-ubyte.gz", 8, TRAIN), read("t10k-labels-idx1-ubyte.gz", 8, TEST)
    parts = []
    for encoder in bn, none:
        for x in train, test:
            parts.append(load(encoder)(torch.from_numpy(x).reshape(-1, 1, 28, 28)).numpy().astype("<f4"))
    (HERE / "features.bin").write_bytes(b"".join(p.tobytes() for p in [*parts, *labels]))


def cases():
    """Gives name, number of classes, training features and labels, test features and labels."""
    raw = (HERE / "features.bin").read_bytes()
    sizes = [(TRAIN, DIM), (TEST, DIM)] * 2
    x, at = [], 0
    for shape in sizes:
        x.append(np.frombuffer(raw, "<f4", shape[0] * shape[1], at).reshape(shape))
        at += 4 * shape[0] * shape[1]
    y = np.frombuffer(raw, np.uint8, TRAIN, at)
    t = np.frombuffer(raw, np.uint8, TEST, at + TRAIN)
    yield "bn", CLASSES, x[0], y, x[1], t
    yield "collapsed", CLASSES, x[2], y, x[3], t
    constant = [np.float32(1) + v * np.float32(1 / 1024) for v in x[:2]]
    yield "nearly constant", CLASSES, constant[0], y, constant[1], t
    yield "two classes", 2, x[0], y % 2, x[1], t % 2
    # Of each class, four by the first feature's value; and two that no image has.
    edges = np.sort(x[0][:, 0])[TRAIN // 4 :: TRAIN // 4]
    part = [(edges[None, :] <= v[:, :1]).sum(1).astype(np.uint8) for v in x[:2]]
    yield "many classes", 42, x[0], 4 * y + part[0], x[1], 4 * t + part[1]


def fit(x, y, penalty):
    """The regression with penalty |W|^2/2 beside the mean cross entropy.

    scikit-learn has |W|^2/2 beside C times the sum. Of two classes it has one
    row w, the difference of the two of W, which are opposite: |W|^2 = |w|^2/2.
    """
    c = (2 if len(np.unique(y)) == 2 else 1) / (len(y) * penalty)
    # newton-cg, since lbfgs also stops by a tolerance that cannot be set. The
    # tolerance is of the gradient of the sum.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the last line searches fail when rounding is reached
        return LogisticRegression(C=c, solver="newton-cg", tol=1e-5, max_iter=100000).fit(x, y)


def loss(model, x, y, penalty):
    scores, squares = model.decision_function(x), (model.coef_**2).sum()
    if scores.ndim == 1:
        scores, squares = np.stack([0 * scores, scores], 1), squares / 2
    entropy = -log_softmax(scores, axis=1)[np.arange(len(y)), np.searchsorted(model.classes_, y)].mean()
    return entropy + penalty / 2 * squares


def nearest(x, y, test, t):
    # 1 - cosine is |u - v|^2/2 of unit rows. metric="cosine" rounds it to the
    # last digit of 1, which is more than it is where an encoder has collapsed.
    u, v = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (x, test))
    knn = KNeighborsClassifier(NEIGHBOURS, metric="precomputed", weights=lambda d: np.exp(-d / TEMPERATURE))
    return 100 * knn.fit(cdist(u, u, "sqeuclidean") / 2, y).score(cdist(v, u, "sqeuclidean") / 2, t)


def evaluate(name, classes, x, y, test, t):
    x, test = x.astype(float), test.astype(float)
    knn_top1 = nearest(x, y, test, t)
    scale = 1 / np.sqrt((x**2).mean())
    x, test = x * scale, test * scale
    split = len(x) - int(HOLDOUT * len(x))
    fits = []
    for p in PENALTIES:
        half, whole = fit(x[:split], y[:split], p), fit(x, y, p)
        fits.append({
            "penalty": p,
            "holdout": 100 * half.score(x[split:], y[split:]),
            "test": 100 * whole.score(test, t),
            "loss": loss(whole, x, y, p),
        })
        print(name, fits[-1], flush=True)
    linear = max(fits, key=lambda f: f["holdout"])["test"]  # the first of equals
    print(name, "linear", linear, "knn", knn_top1)
    return {"name": name, "classes": classes, "fits": fits, "linear": linear, "knn": knn_top1}


if len(sys.argv) > 1:
    extract(*sys.argv[1:])
results = [evaluate(*c) for c in cases()]
(HERE / "sklearn.json").write_text(json.dumps({"train": TRAIN, "test": TEST, "dim": DIM, "cases": results}, indent=1) + "\n")
