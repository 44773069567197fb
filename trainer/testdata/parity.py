#!/usr/bin/env python3
"""Checks steps of the embedded trainer against PyTorch. Needs PyTorch, numpy.

    ablate trace quick --cell bn --step 3 --out step.safetensors
    python3 parity.py step.safetensors

A trace holds the views and the state of a run before one step, and what the
trainer made of them. This rebuilds the networks, the loss, the optimizer and
the moving averages from their papers and from torch's own functions, repeats
the step in float64, and prints how far the two lie apart: of each kind of tensor
the one that comes closest to what is allowed. Beside it stands how far PyTorch
in float32 is from float64, on the same tensor: rounding alone can turn a ReLU
on or off, and shows where a sum cancels. The exit code is 1 if a difference is
above its tolerance and above twice PyTorch's own; for the loss, the learning
rate and tau the tolerance alone counts. (The tests, whose networks are small,
allow the tolerance alone for everything.) It is 2 if there is nothing to
compare: a file that is no trace, or a step in which the run diverged.

Several traces of consecutive steps of a run are also repeated in a row, from
the state before the first to the networks after the last. A trace of step 0
also shows how the run began: init compensation and batch norm's first running
statistics are computed from it too.

--fixture OUT writes a trace in which all that the trainer computed is
PyTorch's instead. The tests' fixtures are such files. Make them all anew with

    go test -tags onednn ./trainer -run TestParity -fixtures python3
"""

import argparse
import json
import math
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

EPS = 1e-5  # of every normalization
STANDARDIZE_EPS = 1e-4  # of the weight standardization
BLOCKS = {"resnet8": [1, 1, 1], "resnet14": [2, 2, 2], "resnet20": [3, 3, 3], "resnet18": [2, 2, 2, 2]}
TINY = 1e-6  # a reference below it is compared by the absolute difference
TOLERANCE = {"loss": 1e-5, "learning rate": 1e-12, "tau": 1e-12}  # relative; of all others:
ONE, MANY = 1e-4, 1e-3  # after one step, and after several in a row; or twice what rounding does to PyTorch


# Files


def refuse(why):
    """Ends the script where there is nothing to compare."""
    print(f"parity.py: {why}", file=sys.stderr)
    sys.exit(2)


def read(path):
    """The metadata and the tensors of a safetensors file."""
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except OSError as e:
        refuse(f"{path} cannot be read: {e.strerror}")
    try:
        (n,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + n])
        return contents(header, raw[8 + n :])
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as e:
        refuse(f"{path} is no safetensors file, or is damaged: {e}")


def contents(header, data):
    meta = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        values = np.frombuffer(data[start:end], "<f4")
        tensors[name] = torch.from_numpy(values.astype(np.float64)).reshape(entry["shape"])
    return meta, tensors


def write(path, meta, tensors):
    """A safetensors file of float32, with the checksum that the trainer asks for."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    header["__metadata__"] = dict(meta, crc32c=f"{crc32c(data):08x}")
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + data)


def crc32c(data):
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def part(tensors, prefix):
    """The tensors whose names begin with prefix, without it."""
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}


# Networks. Images are NCHW here, and each view goes through by itself.


class Network:
    """The encoder, the projector and the predictor of a configuration."""

    def __init__(self, config, weights, moving=False):
        self.config, self.weights, self.moving = config, weights, moving

    def encoder(self, x):
        x = self.conv("encoder/stem/conv", x, 1, 1)
        x = F.relu(self.norm("encoder/stem/norm", x))
        for stage, blocks in enumerate(BLOCKS[self.config["encoder"]["arch"]]):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = self.block(f"encoder/stage{stage + 1}/block{block + 1}", x, stride)
        return x.mean(dim=(2, 3))

    def block(self, name, x, stride):
        shortcut = x
        if stride > 1:
            shortcut = self.norm(name + "/shortcut/norm", self.conv(name + "/shortcut/conv", x, stride, 0))
        y = F.relu(self.norm(name + "/norm1", self.conv(name + "/conv1", x, stride, 1)))
        y = self.norm(name + "/norm2", self.conv(name + "/conv2", y, 1, 1))
        return F.relu(y + shortcut)

    def head(self, name, x):
        x = F.linear(x, self.weight(name + "/linear1"), self.weights[name + "/linear1/bias"])
        x = F.relu(self.norm(name + "/norm", x))
        return F.linear(x, self.weight(name + "/linear2"))

    def conv(self, name, x, stride, padding):
        return F.conv2d(x, self.weight(name).permute(0, 3, 1, 2), stride=stride, padding=padding)

    def kind(self, name):
        return self.config["norm"][name.split("/")[0]]

    def weight(self, name):
        w = self.weights[name + "/weight"]
        if self.kind(name) != "gn+ws":
            return w
        rows = w.flatten(1)
        variance, mean = torch.var_mean(rows, dim=1, unbiased=False, keepdim=True)
        return ((rows - mean) / torch.sqrt(variance + STANDARDIZE_EPS)).reshape(w.shape)

    def norm(self, name, x):
        kind, scale, bias = self.kind(name), self.weights.get(name + "/scale"), self.weights[name + "/bias"]
        channels = x.shape[1]
        if kind == "bn":
            mean = self.weights[name + "/mean"] if self.moving else None
            var = self.weights[name + "/var"] if self.moving else None
            return F.batch_norm(x, mean, var, scale, bias, training=True, momentum=0.1, eps=EPS)
        if kind == "ln":
            return F.layer_norm(x, x.shape[1:], eps=EPS) * self.spread(scale, x) + self.spread(bias, x)
        if kind == "gn+ws":  # at most 16 groups, of at least 4 channels
            return F.group_norm(x, max(1, min(16, channels // 4)), scale, bias, EPS)
        if kind == "none":
            return x + self.spread(bias, x)
        return x * self.spread(scale, x) + self.spread(bias, x)  # none-affine, init

    @staticmethod
    def spread(v, x):
        return v.reshape([1, -1] + [1] * (x.dim() - 2))

    def forward(self, view):
        out = {"encoder": self.encoder(view)}
        out["projection"] = self.head("projector", out["encoder"])
        if "predictor/linear1/weight" in self.weights:  # the target network has none
            out["prediction"] = self.head("predictor", out["projection"])
        return out

    def both(self, views):
        """The outputs of both views, one after the other."""
        one, two = (self.forward(v) for v in views)
        return {name: torch.cat([one[name], two[name]]) for name in one}


def has_target(config):
    return config["method"] == "byol" and config["target"]["stop_gradient"]


def byol(prediction, target):
    """The sum over both views of |p/|p| - z'/|z'||^2, averaged over the images (BYOL, equation 2)."""
    one, two = target.chunk(2)
    difference = F.normalize(prediction, dim=1) - F.normalize(torch.cat([two, one]), dim=1)
    return 2 * (difference**2).sum(dim=1).mean()


def nt_xent(z, temperature):
    """SimCLR's loss (Chen et al. 2020, equation 1)."""
    n = len(z)
    z = F.normalize(z, dim=1)
    scores = (z @ z.T / temperature).masked_fill(torch.eye(n, dtype=torch.bool), -math.inf)
    return F.cross_entropy(scores, torch.arange(n).roll(n // 2))


def objective(config, state, views):
    """The loss of one step, and the networks' outputs. Batch norm's running statistics move."""
    out = Network(config, state["online"], moving=True).both(views)
    prediction = out.get("prediction", out["projection"])
    if config["method"] == "simclr":
        return nt_xent(out["projection"], config["simclr"]["temperature"]), out
    if not has_target(config):
        return byol(prediction, out["projection"]), out
    with torch.no_grad():
        out["target"] = Network(config, state["target"]).both(views)["projection"]
    return byol(prediction, out["target"]), out


# Updates


def learning_rate(c, step, steps):
    """A linear warm-up, then a cosine to zero, or nothing."""
    warm = math.floor(c["warmup"] * steps + 0.5)
    if step < warm:
        return c["lr"] * (step + 1) / warm
    if c.get("schedule") == "constant":  # left out where it is a cosine
        return c["lr"]
    return c["lr"] * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def target_rate(c, step, steps):
    """tau goes up to 1 along a cosine (BYOL, appendix F.1)."""
    if c["schedule"] == "constant":
        return c["tau"]
    return 1 - (1 - c["tau"]) * (math.cos(math.pi * step / steps) + 1) / 2


def torch_optimizer(c, state, trained, step, rate):
    """torch's SGD or Adam, with weight decay for matrices alone and the state given."""
    groups = [
        {"params": [p for p in trained.values() if p.dim() > 1], "weight_decay": c["weight_decay"]},
        {"params": [p for p in trained.values() if p.dim() == 1], "weight_decay": 0.0},
    ]
    if c["name"] == "sgd":
        o = torch.optim.SGD(groups, lr=rate, momentum=c["momentum"] or 1e-300)  # at 0 it would keep no buffer
    else:
        o = torch.optim.Adam(groups, lr=rate, betas=(c["momentum"], 0.999), eps=1e-8)
    for name, p in trained.items():
        if c["name"] == "sgd":
            o.state[p]["momentum_buffer"] = state["momentum"][name]
        else:
            o.state[p] = {
                "step": torch.tensor(float(step)),
                "exp_avg": state["momentum"][name],
                "exp_avg_sq": state["variance"][name],
            }
    o.step()


def lars(c, state, trained, rate):
    """LARS (You et al. 2017) as in BYOL's code: the decayed gradient is scaled to eta times the
    weights' norm before it enters the momentum; biases and norm parameters are left out of both."""
    for name, p in trained.items():
        g = p.grad.clone()
        if p.dim() > 1:
            g += c["weight_decay"] * p
            if p.norm() > 0 and g.norm() > 0:
                g *= c["trust"] * p.norm() / g.norm()
        v = state["momentum"][name]
        v.mul_(c["momentum"]).add_(g)
        p.sub_(rate * v)


def do_step(config, state, views, step, steps):
    """One step, which moves the state. Returns what a trace tells about it."""
    trained = {n: state["online"][n] for n in state["momentum"]}
    for p in trained.values():
        p.requires_grad_(True)
        p.grad = None
    loss, outputs = objective(config, state, views)
    loss.backward()
    with torch.no_grad():
        c = config["optimizer"]
        rate = learning_rate(c, step, steps)
        if c["name"] == "lars":
            lars(c, state, trained, rate)
        else:
            torch_optimizer(c, state, trained, step, rate)
        tau = target_rate(config["target"], step, steps)
        for name, t in state["target"].items():
            t.mul_(tau).add_((1 - tau) * state["online"][name])
    gradients = {n: p.grad.clone() for n, p in trained.items()}
    for p in trained.values():
        p.requires_grad_(False)
    after = {f"{kind}/{n}": t.clone() for kind, tensors in state.items() for n, t in tensors.items()}
    outputs = {n: o.detach() for n, o in outputs.items()}
    return {"loss": loss.detach(), **prefixed("output/", outputs), **prefixed("gradient/", gradients), **prefixed("after/", after)}


def begin(config, state, views):
    """What the first batch makes of a fresh state: scale = gamma_0/sigma and bias = -mu scale of
    every init norm (paper, section 3.2), and the running statistics of every batch norm. Both take
    their statistics over both views, with batch norm in the place of init."""
    batch = torch.cat(views)
    kinds = {k: "bn" if v == "init" else v for k, v in config["norm"].items()}
    weights, seen = dict(state["online"]), {}

    class Calibrating(Network):
        def norm(self, name, x):
            if self.kind(name) != "bn":
                return super().norm(name, x)
            gamma = 0.0 if name.endswith("/norm2") else 1.0
            var, mean = torch.var_mean(x.transpose(0, 1).flatten(1), dim=1, unbiased=False)
            seen[name] = (gamma, mean, var, x.numel() // x.shape[1])
            return gamma * (x - self.spread(mean, x)) / torch.sqrt(self.spread(var, x) + EPS)

    Calibrating(dict(config, norm=kinds), weights).forward(batch)
    want = {}
    for name, (gamma, mean, var, n) in seen.items():
        if config["norm"][name.split("/")[0]] == "init":
            want[name + "/scale"] = gamma / torch.sqrt(var + EPS)
            want[name + "/bias"] = -mean * want[name + "/scale"]
        else:
            want[name + "/mean"], want[name + "/var"] = mean, var * n / (n - 1)
    return want


# Traces


class Trace:
    def __init__(self, path):
        self.meta, self.tensors = read(path)
        if self.meta.get("format") != "ablate trace 1":
            refuse(f"{path} is no trace, as \"ablate trace\" writes them: its format is {self.meta.get('format')!r}")
        if "diverged" in self.meta:
            refuse(f"there is nothing to compare in {path}: the run diverges in this step: {self.meta['diverged']}")
        self.config = json.loads(self.meta["config"])
        self.step, self.steps = int(self.meta["step"]), int(self.meta["steps"])

    def state(self, dtype):
        """The state before the step, to be moved."""
        before = part(self.tensors, "before/")
        kinds = ("online", "target", "momentum", "variance")
        return {k: {n: t.to(dtype, copy=True) for n, t in part(before, k + "/").items()} for k in kinds}

    def views(self, dtype):
        return self.tensors["views"].to(dtype).permute(0, 3, 1, 2).chunk(2)

    def given(self):
        """What the step began with."""
        return {n: t for n, t in self.tensors.items() if n == "views" or n.startswith("before/")}

    def made(self):
        """What the trainer made of it."""
        rates = {"learning rate": "learning_rate", "tau": "tau"}
        rates = {n: torch.tensor(float(self.meta[key]), dtype=torch.float64) for n, key in rates.items() if key in self.meta}
        return {**rates, **{n: t for n, t in self.tensors.items() if n not in self.given()}}

    def begun(self, want):
        return {n: self.tensors["before/online/" + n[len("begin/") :]] for n in want if n.startswith("begin/")}

    def title(self):
        norms = "/".join(dict.fromkeys(n for n in self.config["norm"].values() if n))
        predictor = "" if self.config["predictor"] else ", no predictor"
        return f"step {self.step} of {self.steps}, {self.config['method']}, {norms}, {self.config['optimizer']['name']}{predictor}"


def repeat(trace, state, dtype):
    """What PyTorch makes of a trace, beginning with state."""
    c, result = trace.config, {}
    if trace.step == 0:
        result.update(prefixed("begin/", begin(c, state, trace.views(dtype))))
    result.update(do_step(c, state, trace.views(dtype), trace.step, trace.steps))
    rate = lambda x: torch.tensor(x, dtype=torch.float64)
    result["learning rate"] = rate(learning_rate(c["optimizer"], trace.step, trace.steps))
    if has_target(c):
        result["tau"] = rate(target_rate(c["target"], trace.step, trace.steps))
    return result


def difference(got, want, absolute=False):
    """The relative difference in L2; the absolute one of a tiny reference."""
    if got is None or want is None or got.shape != want.shape:
        return math.inf
    norm, off = want.double().norm().item(), (got.double() - want.double()).norm().item()
    return off if absolute or norm < TINY else off / norm


def before_batch_norm(config, name):
    """Is the tensor about the state of a bias right before a batch norm? That takes it out again, so
    that its gradient is zero but for rounding, and so is all that follows from it."""
    if not name.startswith("after/"):
        return False
    component, _, rest = name.split("/", 2)[2].partition("/")
    return rest == "linear1/bias" and config["norm"][component] == "bn"


KINDS = {  # by the beginning of a tensor's name, in the order of the table
    "begin/": "beginning",
    "loss": "loss",
    "output/": "outputs",
    "gradient/": "gradients",
    "after/online/": "weights",
    "after/target/": "target",
    "after/": "optimizer's state",
    "learning rate": "learning rate",
    "tau": "tau",
}


def kind_of(name):
    return next(kind for prefix, kind in KINDS.items() if name.startswith(prefix))


def compare(title, config, got, want, rough, tolerance):
    """Prints the worst difference of each kind of tensor, and returns whether all are fine. rough is
    what float32 gives in the place of want."""
    worst = {}
    for name in sorted(set(got) | set(want)):
        kind, idle = kind_of(name), before_batch_norm(config, name)
        if idle and config["optimizer"]["name"] == "adam":
            continue  # Adam divides such a gradient by its own size, and moves the bias by anything
        reference = want.get(name)
        off, rounding = difference(got.get(name), reference, idle), difference(rough.get(name), reference, idle)
        limit = TOLERANCE.get(kind) or (max(tolerance, 2 * rounding) if math.isfinite(rounding) else tolerance)
        row = (off / limit if off <= limit else math.inf, off, rounding, name.split("/", 1)[-1])
        worst[kind] = max(worst.get(kind, row), row, key=lambda r: r[:2])
    print(f"{title}\n  {'':<18}   trainer   float32")
    for kind in [k for k in KINDS.values() if k in worst]:
        share, off, rounding, name = worst[kind]
        print(f"  {kind:<18} {off:9.2e} {rounding:9.2e}  {name}{'' if share <= 1 else '  TOO FAR'}")
    return all(row[0] <= 1 for row in worst.values())


def check_one(trace):
    """Repeats one step, and returns whether it agrees, with what PyTorch made of it."""
    want, rough = (repeat(trace, trace.state(t), t) for t in (torch.float64, torch.float32))
    got = {**trace.begun(want), **trace.made()}
    return compare(trace.title(), trace.config, got, want, rough, ONE), want


def check_many(traces):
    """Repeats consecutive steps in a row, from the state before the first to the networks after the last."""

    def networks(tensors):
        return {n: t for n, t in tensors.items() if n.startswith(("after/online/", "after/target/"))}

    results = []
    for dtype in (torch.float64, torch.float32):
        state = traces[0].state(dtype)
        steps = [repeat(t, state, dtype) for t in traces]
        results.append({"loss": torch.stack([s["loss"] for s in steps]), **networks(steps[-1])})
    want, rough = results
    got = {"loss": torch.stack([t.tensors["loss"] for t in traces]), **networks(traces[-1].tensors)}
    title = f"steps {traces[0].step} to {traces[-1].step} in a row"
    good = compare(title, traces[0].config, got, want, rough, MANY)
    return good, {"views": torch.stack([t.tensors["views"] for t in traces]), **want}


def prefixed(prefix, tensors):
    return {prefix + name: t for name, t in tensors.items()}


def write_fixture(path, trace, result):
    """What a trace began with, and what PyTorch made of it."""
    made = {n: t for n, t in result.items() if n in ("views", "loss") or n.startswith(("output/", "gradient/", "after/"))}
    meta = {k: trace.meta[k] for k in ("format", "config", "seed", "step", "steps", "layout", "trainer")}
    write(path, dict(meta, kernels=f"PyTorch {torch.__version__}, float64"), {**trace.given(), **made})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", nargs="+", metavar="TRACE", help="of one step, or of consecutive ones")
    parser.add_argument("--fixture", metavar="OUT", help="write what PyTorch computed to OUT")
    args = parser.parse_args()
    torch.set_num_threads(1)
    traces = sorted((Trace(path) for path in args.traces), key=lambda t: t.step)
    first = traces[0]
    for i, t in enumerate(traces):
        if t.step != first.step + i or (t.meta["config"], t.meta["seed"]) != (first.meta["config"], first.meta["seed"]):
            refuse("the traces are not of consecutive steps of one run")
    checks = [check_one(t) for t in traces]
    if len(traces) > 1:
        checks.append(check_many(traces))
    if args.fixture:
        write_fixture(args.fixture, first, checks[-1][1])
    sys.exit(0 if all(good for good, _ in checks) else 1)


if __name__ == "__main__":
    main()
