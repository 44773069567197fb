"""A trainer for ablate in plain Python: logistic regression by SGD. ../trainers.md explains it."""
import json, math, os, random

config = json.load(open(os.environ["ABLATE_CONFIG"]))  # {"epochs": 10, "lr": 0.1, "standardize": true}
seed = os.environ["ABLATE_SEED"]
saved = os.path.join(os.environ["ABLATE_CHECKPOINTS"], "state.json")
metrics = open(os.environ["ABLATE_METRICS"], "a")


def report(**line):
    print(json.dumps(line), file=metrics, flush=True)  # flushed before the state is saved, so it is never lost


def points(n, which):  # two classes; the second feature is a thousand times as wide as the first
    r, scale = random.Random(f"{seed} {which}"), 1 if config["standardize"] else 1000
    labels = [r.randint(0, 1) for _ in range(n)]
    return [((1, r.gauss(2 * y, 1), scale * r.gauss(2 * y, 1)), y) for y in labels]


def predict(w, x):
    return 1 / (1 + math.exp(-max(-30, min(30, sum(a * b for a, b in zip(w, x))))))


train, test = points(500, "train"), points(1000, "test")
state = json.load(open(saved)) if os.path.exists(saved) else {"step": 0, "w": [0, 0, 0]}
report(steps=config["epochs"], resume_step=state["step"])  # the first step that will be reported
for step in range(state["step"], config["epochs"] + 1):  # step 0: before training
    w, loss = state["w"], 0.0
    for x, y in random.Random(f"{seed} order {step}").sample(train, len(train) if step else 0):
        p = predict(w, x)
        loss -= math.log(max(p if y else 1 - p, 1e-12)) / len(train)
        w = [a - config["lr"] * (p - y) * b for a, b in zip(w, x)]
    right = sum((predict(w, x) > 0.5) == (y == 1) for x, y in test)
    report(step=step, top1=100 * right / len(test), **({"loss": loss} if step else {}))
    state = {"step": step + 1, "w": w}
    with open(saved + ".new", "w") as f:
        json.dump(state, f)
    os.replace(saved + ".new", saved)  # whole or not at all
