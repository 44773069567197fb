"""A BYOL training step in PyTorch on the CPU: the peer that the trainer's speed is compared with.

The network is the trainer's own (trainer/net/model.go): a CIFAR ResNet with a 3x3 stem, basic blocks with
projection shortcuts and the mean over the pixels; projector and predictor of linear (with bias), norm, ReLU,
linear (without). A step is all that a step of ours is: both views through the online network forward and
backward and through the target network forward, both in train mode; the symmetric loss; SGD with momentum and
weight decay; the target's moving average. The views are given: nothing is augmented. An image counts once, for
both its views.

    python3 torch_byol.py --norm bn             as PyTorch comes: written the obvious way
    python3 torch_byol.py --norm bn --tuned     with all that makes it faster: channels_last, malloc that keeps its
                                                memory, ReLU and residual sum in place, gradients that are dropped
                                                rather than zeroed, SGD on all tensors at once, no denormals

What was tried and is no faster (PyTorch 1.13): torch.jit, both views as one batch where the norm allows it, one
backward pass for each view, ATEN_CPU_CAPABILITY=avx512.

Prints one JSON object. It needs PyTorch (on Debian: apt install python3-torch).
"""
import argparse
import copy
import json
import os
import re
import resource
import statistics
import sys
import time

BLOCKS = {"resnet8": (1, 1, 1), "resnet14": (2, 2, 2), "resnet20": (3, 3, 3), "resnet18": (2, 2, 2, 2)}

# What the environment of a tuned process holds: malloc keeps its memory, instead of getting it anew, page by page,
# in every step.
TUNED = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "1073741824",
}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--norm", default="bn", choices=["bn", "ln", "none", "gn+ws"])
    p.add_argument("--arch", default="resnet8", choices=sorted(BLOCKS))
    p.add_argument("--width", type=int, default=32)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--size", type=int, default=32, help="pixels of an image, in width and height")
    p.add_argument("--steps", type=int, default=10, help="steps to time, after two that are not")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--tuned", action="store_true")
    return p.parse_args()


args = arguments()
if args.tuned and any(os.environ.get(k) != v for k, v in TUNED.items()):
    os.execve(sys.executable, [sys.executable] + sys.argv, {**os.environ, **TUNED})

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

HIDDEN, OUT = 512, 128


def groups(channels):
    return min(16, channels // 4)


def norm(channels, pixels):
    """The normalization of channels, with a pixel grid or without."""
    if args.norm == "bn":
        return nn.BatchNorm2d(channels) if pixels else nn.BatchNorm1d(channels)
    if args.norm == "ln":
        return nn.GroupNorm(1, channels) if pixels else nn.LayerNorm(channels)
    if args.norm == "gn+ws":
        return nn.GroupNorm(groups(channels), channels)
    return nn.Identity()


def standardized(w):
    var, mean = torch.var_mean(w, dim=tuple(range(1, w.dim())), keepdim=True, unbiased=False)
    return (w - mean) * torch.rsqrt(var + 1e-4)


class Conv(nn.Conv2d):
    def __init__(self, i, o, kernel, stride=1):
        # Ours has a bias where there is no norm; this has none, in PyTorch's favour.
        super().__init__(i, o, kernel, stride, kernel // 2, bias=False)

    def forward(self, x):
        w = standardized(self.weight) if args.norm == "gn+ws" else self.weight
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


class Linear(nn.Linear):
    def forward(self, x):
        w = standardized(self.weight) if args.norm == "gn+ws" else self.weight
        return F.linear(x, w, self.bias)


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.norm1 = Conv(i, o, 3, stride), norm(o, True)
        self.conv2, self.norm2 = Conv(o, o, 3), norm(o, True)
        self.shortcut = nn.Identity()
        if stride > 1 or i != o:
            self.shortcut = nn.Sequential(Conv(i, o, 1, stride), norm(o, True))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)), inplace=args.tuned)
        y, shortcut = self.norm2(self.conv2(y)), self.shortcut(x)
        if args.tuned:
            return F.relu(y.add_(shortcut), inplace=True)
        return F.relu(y + shortcut)


def encoder():
    width = args.width
    layers, channels = [Conv(3, width, 3), norm(width, True), nn.ReLU(inplace=args.tuned)], width
    for stage, blocks in enumerate(BLOCKS[args.arch]):
        for block in range(blocks):
            layers.append(Block(channels, width << stage, 2 if stage > 0 and block == 0 else 1))
            channels = width << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels


def head(i):
    return nn.Sequential(Linear(i, HIDDEN), norm(HIDDEN, False), nn.ReLU(), Linear(HIDDEN, OUT, bias=False))


def regression(p, z):
    return 2 - 2 * F.cosine_similarity(p, z, dim=-1).mean()


def onednn():
    """The version of oneDNN that PyTorch was built with."""
    found = re.search(r"MKL-DNN v([0-9.]+)", torch.__config__.show())
    return found.group(1) if found else "none"


def main():
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    if args.tuned:
        torch.set_flush_denormal(True)
    enc, features = encoder()
    online = nn.Sequential(enc, head(features))
    target, predictor = copy.deepcopy(online), head(OUT)
    views = [torch.randn(args.batch, 3, args.size, args.size) for _ in range(2)]
    if args.tuned:
        online = online.to(memory_format=torch.channels_last)
        target = target.to(memory_format=torch.channels_last)
        views = [v.contiguous(memory_format=torch.channels_last) for v in views]
    params = list(online.parameters()) + list(predictor.parameters())
    opt = torch.optim.SGD(params, lr=0.05, momentum=0.9, weight_decay=1e-5, foreach=True if args.tuned else None)

    def step():
        p1, p2 = predictor(online(views[0])), predictor(online(views[1]))
        with torch.no_grad():
            z1, z2 = target(views[0]), target(views[1])
        loss = regression(p1, z2) + regression(p2, z1)
        opt.zero_grad(set_to_none=args.tuned)
        loss.backward()
        opt.step()
        with torch.no_grad():
            for t, o in zip(target.parameters(), online.parameters()):
                t.lerp_(o, 0.01)
        return loss.item()

    for _ in range(2):
        step()
    times = []
    for _ in range(args.steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    print(json.dumps({
        "torch": torch.__version__, "onednn": onednn(),
        "norm": args.norm, "arch": args.arch, "width": args.width, "batch": args.batch, "threads": args.threads,
        "tuned": args.tuned,
        "step_seconds": median,
        "images_per_second": args.batch / median,
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }))


main()
