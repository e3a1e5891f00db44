"""ggml's own Python package and AutoGPTQ as judges of weights in few bits: writes tests/fixtures/model/quantised.

    python tests/oracle/quantised_weights.py --auto-gptq FOLDER --out tests/fixtures/model/quantised

Needs a Python with gguf 0.19.0, numpy, torch, transformers and safetensors. FOLDER is the unpacked wheel of auto-gptq
0.7.1: two of its layers are loaded file by file, because the package itself asks for a GPU.

`ggml.safetensors`: for each kind, `KIND.blocks` and what `gguf.quants.dequantize` makes of them, `KIND.weights`. The
first blocks of the kinds that gguf can quantise are of normal weights with some far out; all others are of random bytes
with finite scales, subnormal ones among them.

`gptq.safetensors`: layers as AutoGPTQ packs them, and `NAME.weight` [out, in], which its layer multiplies the identity
with, scales widened to f32 so that nothing is rounded. `plain*` by `qlinear_cuda_old` (groups in order), `order*` by
`qlinear_cuda` (groups in any order, as `desc_act` leaves them).
"""

import argparse
import importlib.util
import pathlib

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Kind
from safetensors.numpy import save_file

# Where a block has its f16 scales.
SCALES = {
    Kind.Q4_0: [0], Kind.Q4_1: [0, 2], Kind.Q5_0: [0], Kind.Q5_1: [0, 2], Kind.Q8_0: [0], Kind.Q2_K: [80, 82],
    Kind.Q3_K: [108], Kind.Q4_K: [0, 2], Kind.Q5_K: [0, 2], Kind.Q6_K: [208], Kind.IQ4_NL: [0], Kind.IQ4_XS: [0],
    Kind.MXFP4: [],
}  # fmt: skip
QUANTISED = [Kind.BF16, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0, Kind.MXFP4]


def random_blocks(random, kind, count):
    """Blocks of random bytes with finite scales."""
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    for at in SCALES[kind]:
        scales = (random.standard_normal((count, 1)) * 10.0 ** random.integers(-7, 2, (count, 1))).astype(np.float16)
        blocks[:, at : at + 2] = scales.view(np.uint8)
    if kind == Kind.MXFP4:
        blocks[:, 0] = random.integers(0, 254, count)
        blocks[:3, 0] = [0, 1, 2]
    return blocks


def ggml(random):
    """Blocks of every kind, and their weights."""
    weights = random.standard_normal(256).astype(np.float32) * np.float32(0.02)
    weights[::37] *= 30
    halves = np.concatenate([random.integers(0, 0x7C00, 120), [0, 1, 0x3FF, 0x400, 0x7BFF, 0x8000, 0x8001, 0xFBFF]])
    tensors = {
        "F32.blocks": weights.view(np.uint8),
        "F32.weights": gguf.quants.dequantize(weights.view(np.uint8), Kind.F32),
        "F16.blocks": halves.astype(np.uint16).view(np.uint8),
        "F16.weights": gguf.quants.dequantize(halves.astype(np.uint16).view(np.uint8), Kind.F16),
        "BF16.blocks": gguf.quants.quantize(weights, Kind.BF16).reshape(-1),
    }
    tensors["BF16.weights"] = gguf.quants.dequantize(tensors["BF16.blocks"], Kind.BF16)
    for kind in SCALES:
        length, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random_blocks(random, kind, 4 if length == 256 else 16)
        if kind in QUANTISED:
            blocks = np.concatenate([gguf.quants.quantize(weights, kind).reshape(-1, size), blocks])
        tensors[f"{kind.name}.blocks"] = blocks.reshape(-1)
        tensors[f"{kind.name}.weights"] = gguf.quants.dequantize(blocks, kind).reshape(-1)
        assert np.isfinite(tensors[f"{kind.name}.weights"]).all(), kind
    return tensors


def layer_of(folder, name):
    """A layer of AutoGPTQ."""
    path = folder / "auto_gptq" / "nn_modules" / "qlinear" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.QuantLinear


def gptq(random, folder):
    """Layers of AutoGPTQ, and their weights."""
    plain, order = layer_of(folder, "qlinear_cuda_old"), layer_of(folder, "qlinear_cuda")
    cases = {
        "plain4": (plain, 4, 32, 96, 160),
        "plain4_one_group": (plain, 4, -1, 64, 32),
        "plain8": (plain, 8, 16, 64, 96),
        "order4": (order, 4, 16, 64, 96),
        "order8": (order, 8, 32, 96, 64),
    }
    tensors = {}
    for name, (make, bits, group, inputs, outputs) in cases.items():
        layer = make(bits, group, inputs, outputs, bias=False, weight_dtype=torch.float16)
        groups = layer.scales.shape[0]
        g_idx = layer.g_idx
        if make is order:
            g_idx = g_idx[torch.from_numpy(random.permutation(inputs))].contiguous()
        # True zeros from 1 on: `pack` takes one off, which spoils its neighbours where it is 0.
        zeros = torch.from_numpy(random.integers(1, 2**bits, (outputs, groups))).float()
        scales = torch.from_numpy(random.uniform(0.001, 0.02, (outputs, groups))).half().float()
        q = torch.from_numpy(random.integers(0, 2**bits, (outputs, inputs))).float()
        linear = torch.nn.Linear(inputs, outputs, bias=False)
        linear.weight.data = scales[:, g_idx.long()] * (q - zeros[:, g_idx.long()])
        layer.pack(linear, scales.clone(), zeros.clone(), g_idx=g_idx)
        if make is plain:
            # The greatest number stored, a zero of 0.
            layer.qzeros[0, 0] |= 2**bits - 1
        for part in ("qweight", "qzeros", "scales", "g_idx"):
            tensors[f"{name}.{part}"] = getattr(layer, part).contiguous().numpy()
        layer.scales = layer.scales.float()
        with torch.no_grad():
            weight = layer(torch.eye(inputs)).T.contiguous()
        if make is order:
            assert torch.equal(weight, linear.weight.data), name
        tensors[f"{name}.weight"] = weight.numpy()
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--auto-gptq", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    save_file(ggml(np.random.default_rng(1)), arguments.out / "ggml.safetensors")
    save_file(gptq(np.random.default_rng(2), arguments.auto_gptq), arguments.out / "gptq.safetensors")


if __name__ == "__main__":
    main()
