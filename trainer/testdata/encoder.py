"""Prints what PyTorch makes of exported encoders, as JSON. Needs PyTorch.

    python3 encoder.py LOADER FOLDER

LOADER is load_encoder.py. FOLDER holds encoders NAME.safetensors and, for each,
NAME.images: the bytes of images [N, C, H, W] of the encoder's size. The result
has the features [N, features] by NAME.
"""

import importlib.util
import json
import pathlib
import sys

import torch

torch.set_num_threads(1)
spec = importlib.util.spec_from_file_location("load_encoder", sys.argv[1])
loader = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loader)

features = {}
for path in sorted(pathlib.Path(sys.argv[2]).glob("*.safetensors")):
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    height, width, channels = json.loads(header["__metadata__"]["image"])
    images = torch.frombuffer(bytearray(path.with_suffix(".images").read_bytes()), dtype=torch.uint8)
    encode = loader.load(path)
    features[path.stem] = encode(images.reshape(-1, channels, height, width)).tolist()
print(json.dumps(features))
