"""Loads an encoder that "ablate export encoder RUN --out FILE" wrote. Needs PyTorch alone.

    encoder = load("encoder.safetensors")
    features = encoder(images)  # [N, C, H, W], 0..255, gives [N, features]

The file's names and layouts are those of torchvision's ResNet, see "ablate export encoder --help".
"""

import json

import torch
import torch.nn.functional as F


def load(path):
    """Reads a safetensors file: the header's length, the header in JSON, the data.

    Of another file, a ValueError says what is wrong with it.
    """
    with open(path, "rb") as file:
        raw = file.read()
    begin = 8 + int.from_bytes(raw[:8], "little")
    try:
        header = json.loads(raw[8:begin])
        meta = header.pop("__metadata__", {})
    except (ValueError, AttributeError):
        raise ValueError(f"{path} is no safetensors file") from None
    if meta.get("format") != "ablate encoder 1":
        raise ValueError(f"{path} is no encoder as \"ablate export encoder\" writes them: its format is {meta.get('format')!r}")
    if len(raw) != begin + max(e["data_offsets"][1] for e in header.values()):
        raise ValueError(f"{path} is cut off or damaged")
    t = {}
    for name, e in header.items():
        low, high = e["data_offsets"]
        t[name] = torch.frombuffer(bytearray(raw[begin + low : begin + high]), dtype=torch.float32).reshape(e["shape"])
    return lambda images: encode(t, meta, images)


def encode(t, meta, images):
    """The features of images under the tensors t."""
    eps, groups = float(meta["eps"]), json.loads(meta.get("groups", "{}"))

    def conv(x, name, stride=1):
        w = t[name + ".weight"]
        return F.conv2d(x, w, stride=stride, padding=w.shape[2] // 2)

    def norm(x, name):
        scale, shift = t.get(name + ".weight"), t[name + ".bias"]
        if groups:  # ln and gn+ws
            return F.group_norm(x, groups[str(x.shape[1])], scale, shift, eps)
        if name + ".running_mean" in t:  # bn
            return F.batch_norm(x, t[name + ".running_mean"], t[name + ".running_var"], scale, shift, eps=eps)
        return (x if scale is None else x * scale[:, None, None]) + shift[:, None, None]  # no statistics

    mean, std = (torch.tensor(json.loads(meta[k]))[:, None, None] for k in ("mean", "std"))
    x = F.relu(norm(conv((images / 255 - mean) / std, "conv1"), "bn1"))
    for stage, blocks in enumerate(json.loads(meta["blocks"])):
        for block in range(blocks):
            name, stride = f"layer{stage + 1}.{block}.", 2 if stage > 0 and block == 0 else 1
            y = F.relu(norm(conv(x, name + "conv1", stride), name + "bn1"))
            y = norm(conv(y, name + "conv2"), name + "bn2")
            if name + "downsample.0.weight" in t:
                x = norm(conv(x, name + "downsample.0", stride), name + "downsample.1")
            x = F.relu(x + y)
    return x.mean((2, 3))
