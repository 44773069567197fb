"""BYOL in PyTorch as a trainer for ablate (../trainers.md), on a GPU if there is one.

A small ResNet on CIFAR-10 (binary version) or Fashion-MNIST, which $ABLATE_DATA or /usr/share/datasets
holds. Metrics have the names that the embedded trainer gives them: loss at every step; z_std and z_cosine
of the projection, knn_top1 and, at both ends, linear_top1 of the frozen encoder, at step 0 and after each epoch.
"""
import copy, gzip, json, os, signal, sys, zlib
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

config = json.load(open(os.environ["ABLATE_CONFIG"]))
seed = int(os.environ["ABLATE_SEED"])
saved = os.path.join(os.environ["ABLATE_CHECKPOINTS"], "state.pt")
metrics = open(os.environ["ABLATE_METRICS"], "a")
device = "cuda" if torch.cuda.is_available() else "cpu"
stop = False


def report(**line):
    print(json.dumps(line), file=metrics, flush=True)


def random(*what):
    """A stream of random numbers that depends on the seed and on what it is for, so that none has to be saved."""
    return torch.Generator().manual_seed(zlib.crc32(repr((seed,) + what).encode()))


# Data: images [n, channels, height, width] in 0..1, labels [n].

def read(*names):
    for root in [os.environ.get("ABLATE_DATA", "data"), "/usr/share/datasets"]:
        for path in [os.path.join(root, *names), os.path.join(root, names[-1])]:
            for p, opener in [(path, open), (path + ".gz", gzip.open)]:
                if os.path.exists(p):
                    with opener(p, "rb") as f:
                        return np.frombuffer(f.read(), np.uint8)
    sys.exit(f"there is no {os.path.join(*names)}; name the folder of the data sets with --data or ABLATE_DATA")


def load(train):
    if config["data"]["name"] == "cifar10":
        files = [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]
        raw = np.concatenate([read("cifar-10-batches-bin", f) for f in files]).reshape(-1, 3073)
        images, labels = raw[:, 1:].reshape(-1, 3, 32, 32), raw[:, 0]
    else:
        kind = "train" if train else "t10k"
        images = read("fashion-mnist", f"{kind}-images-idx3-ubyte")[16:].reshape(-1, 1, 28, 28)
        labels = read("fashion-mnist", f"{kind}-labels-idx1-ubyte")[8:]
    n = config["data"]["train" if train else "test"]
    images = torch.tensor(images[:n], dtype=torch.float32, device=device) / 255
    return images, torch.tensor(labels[:n], dtype=torch.int64, device=device)


def view(images, g):
    """One augmented view of each image: a random crop, flipped or not, with random brightness and contrast."""
    n = len(images)
    u = lambda low, high: low + (high - low) * torch.rand(n, generator=g)
    size = u(0.2, 1).sqrt()
    flip = torch.where(torch.rand(n, generator=g) < 0.5, -1.0, 1.0)
    x, y = (1 - size) * u(-1, 1), (1 - size) * u(-1, 1)
    zero = torch.zeros(n)
    theta = torch.stack([torch.stack([size * flip, zero, x], 1), torch.stack([zero, size, y], 1)], 1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    out = F.grid_sample(images, grid.to(device), padding_mode="reflection", align_corners=False)
    brightness, contrast = (u(0.6, 1.4).view(-1, 1, 1, 1).to(device) for _ in range(2))
    out = out * brightness
    mean = out.mean((1, 2, 3), keepdim=True)
    return ((out - mean) * contrast + mean).clamp(0, 1)


# Networks.

def standardized(w):
    return (w - w.mean(tuple(range(1, w.dim())), keepdim=True)) / (w.var(tuple(range(1, w.dim())), unbiased=False, keepdim=True) + 1e-4).sqrt()


class Conv(nn.Conv2d):
    def forward(self, x):
        return self._conv_forward(x, standardized(self.weight) if config["norm"] == "gn+ws" else self.weight, self.bias)


class Linear(nn.Linear):
    def forward(self, x):
        return F.linear(x, standardized(self.weight) if config["norm"] == "gn+ws" else self.weight, self.bias)


def norm(channels, dims):
    kinds = {
        "bn": nn.BatchNorm2d if dims == 2 else nn.BatchNorm1d,
        "ln": lambda c: nn.GroupNorm(1, c),
        "gn+ws": lambda c: nn.GroupNorm(min(16, max(1, c // 4)), c),
        "none": lambda c: nn.Identity(),
    }
    return kinds[config["norm"]](channels)


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        bias = config["norm"] == "none"
        conv = lambda i, o, k, s: nn.Sequential(Conv(i, o, k, s, k // 2, bias=bias), norm(o, 2))
        self.body = nn.Sequential(conv(i, o, 3, stride), nn.ReLU(), conv(o, o, 3, 1))
        self.shortcut = nn.Identity() if i == o and stride == 1 else conv(i, o, 1, stride)

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def mlp(i, hidden, o):
    return nn.Sequential(Linear(i, hidden), norm(hidden, 1), nn.ReLU(), Linear(hidden, o, bias=False))


class Network(nn.Module):
    def __init__(self, channels):
        super().__init__()
        w, heads = config["encoder"]["width"], config["heads"]
        self.encoder = nn.Sequential(
            Conv(channels, w, 3, 1, 1, bias=config["norm"] == "none"), norm(w, 2), nn.ReLU(),
            Block(w, w, 1), Block(w, 2 * w, 2), Block(2 * w, 4 * w, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.projector = mlp(4 * w, heads["hidden"], heads["out"])
        self.predictor = mlp(heads["out"], heads["hidden"], heads["out"]) if config["predictor"] else nn.Identity()

    def project(self, x):
        return self.projector(self.encoder(x))


def calibrate(network, images):
    """Give batch norms the statistics of these images: fresh ones would make an untrained network one without norms."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for m in norms:
        m.momentum = 1.0
    with torch.no_grad():
        network.predictor(network.project(images))
    for m in norms:
        m.momentum = 0.1


# Probes.

def outputs(network, images):
    network.eval()
    with torch.no_grad():
        y = torch.cat([network.encoder(part) for part in images.split(500)])
        z = network.projector(y)
    network.train()
    return y, F.normalize(z.flatten(1))


def linear_top1(train, test, classes=10):
    """Accuracy of a logistic regression on features, fitted to convergence."""
    (x, y), (x_test, y_test) = train, test
    scale = x.pow(2).mean().sqrt().clamp(min=1e-12)  # one for all: scaling each would resurrect collapsed ones
    x, x_test = x / scale, x_test / scale
    w = torch.zeros(x.shape[1] + 1, classes, device=device, requires_grad=True)
    score = lambda x: x @ w[:-1] + w[-1]
    fit = torch.optim.LBFGS([w], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        fit.zero_grad()
        loss = F.cross_entropy(score(x), y) + 1e-4 * w[:-1].pow(2).sum()
        loss.backward()
        return loss

    fit.step(closure)
    return 100 * (score(x_test).argmax(1) == y_test).float().mean().item()


def knn_top1(train, test, k=20):
    (x, y), (x_test, y_test) = train, test
    near = (F.normalize(x_test) @ F.normalize(x).T).topk(min(k, len(x)), dim=1).indices
    return 100 * (y[near].mode(1).values == y_test).float().mean().item()


def probe(network, train, test, full):
    (y, _), (y_test, z) = outputs(network, train[0]), outputs(network, test[0])
    n, d = z.shape
    off = (z.sum(0).pow(2).sum() - n) / (n * (n - 1))
    values = {"z_std": z.std(0, unbiased=False).mean().item() * d**0.5, "z_cosine": off.item(),
              "knn_top1": knn_top1((y, train[1]), (y_test, test[1]))}
    if full:
        values["linear_top1"] = linear_top1((y, train[1]), (y_test, test[1]))
    return values


def outcome(z_std):
    """The embedded trainer's rules: below 0.1 from step 0 on, or at the last two probes and below half of the first."""
    if max(z_std) < 0.1:
        return dict(outcome="never_separated", why=f"z_std was never above {max(z_std):.3g}")
    if len(z_std) > 1 and all(z < min(0.1, z_std[0] / 2) for z in z_std[1:][-2:]):
        return dict(outcome="collapsed", why=f"z_std fell from {z_std[0]:.3g} at step 0 to {z_std[-1]:.3g}")
    return dict(outcome="completed")


def step(online, target, optimizer, images, g):
    a, b = view(images, g), view(images, g)
    regress = lambda p, z: 2 - 2 * F.cosine_similarity(p, z).mean()
    with torch.no_grad():
        za, zb = target.project(a), target.project(b)
    loss = regress(online.predictor(online.project(a)), zb) + regress(online.predictor(online.project(b)), za)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for t, o in zip(target.parameters(), online.parameters()):
            t.lerp_(o, 1 - config["tau"])
        for t, o in zip(target.buffers(), online.buffers()):
            t.copy_(o)
    return loss.item()


def main():
    train, test = load(True), load(False)
    batch = config["batch"]
    per_epoch = len(train[0]) // batch
    steps = config["epochs"] * per_epoch
    torch.manual_seed(seed)
    online = Network(train[0].shape[1]).to(device)
    calibrate(online, train[0][:500])
    target = copy.deepcopy(online).requires_grad_(False)
    optimizer = torch.optim.SGD(online.parameters(), lr=config["lr"], momentum=0.9, weight_decay=1e-5)
    done, z_std, order = 0, [], None
    if os.path.exists(saved):
        state = torch.load(saved, map_location=device)
        online.load_state_dict(state["online"])
        target.load_state_dict(state["target"])
        optimizer.load_state_dict(state["optimizer"])
        done, z_std = state["done"], state["z_std"]

    def save():
        state = dict(online=online.state_dict(), target=target.state_dict(), optimizer=optimizer.state_dict(), done=done, z_std=z_std)
        torch.save(state, saved + ".new")
        os.replace(saved + ".new", saved)

    # The state of a step is saved before its figures are reported: whoever goes on from it reports them again.
    report(steps=steps, resume_step=done)
    while True:
        epoch, i = divmod(done, per_epoch)
        if i == 0:
            save()
            values = probe(online, train, test, done in (0, steps))
            z_std.append(values["z_std"])
            report(step=done, phase="probe", **values)
        if done == steps:
            break
        if stop:
            if i:
                save()
            sys.exit(75)
        if i == 0 or order is None:
            order = torch.randperm(len(train[0]), generator=random("order", epoch)).to(device)
        loss = step(online, target, optimizer, train[0][order[i * batch:(i + 1) * batch]], random("views", done))
        if not np.isfinite(loss):
            report(outcome="diverged", why=f"the loss is {loss} at step {done}")
            return
        report(step=done, loss=loss, phase="train")
        done += 1
    report(**outcome(z_std))


def ask_to_stop(*_):
    global stop
    stop = True


signal.signal(signal.SIGTERM, ask_to_stop)
main()
