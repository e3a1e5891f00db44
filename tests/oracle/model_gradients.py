"""Losses, gradients and steps of AdamW of the tiny Yuan models, by torch's autograd in float64.

    python tests/oracle/model_gradients.py             # tests/fixtures/model/gradients

The model is `yuan_torch.py`, whose logits are compared with those of the reference implementation in the models' own fixtures
first. `MODEL.safetensors` has for each case what was read (`CASE.ids`, `.targets`, `.weights`, `.positions`, `.first_keys`, and
the `.lengths` of sequences), what the auxiliary loss of load balance counts (`.balance`), the weighted sum of the losses (`.loss`), the
auxiliary loss (`.auxiliary`), and `.gradient.TENSOR`: the Euclidean norm, then every SKIPth number from the first on, of the gradients
of (loss + balance * auxiliary * weights) / weights. Case `steps` has parameters behind three steps of torch.optim.AdamW in the same form
(`.parameter.TENSOR`), and the gradients' norms (`.norms`). Versions: torch 2.15 (CPU), safetensors 0.8.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from yuan_torch import Shape, balance, head, hidden

FIXTURES = Path(__file__).parent.parent / "fixtures/model"
SAMPLES = 24
EOD = 500


def load(name):
    folder = FIXTURES / name
    weights = {}
    if name == "yuan-moe-classic-tiny":
        weights = load_file(FIXTURES / "yuan-moe-tiny/model.safetensors") | load_file(folder / "router.safetensors")
        weights = {key: value for key, value in weights.items() if not key.endswith(("query.weight", "key.weight", "value.weight"))}
    else:
        weights = load_file(folder / "model.safetensors")
    shape = Shape(json.loads((folder / "config.json").read_text()))
    if shape.tied:
        weights.pop("lm_head.weight", None)
    return shape, weights, load_file(folder / "fixtures.safetensors")


def skip(count):
    """Odd, so that samples walk over columns."""
    return max(1, count // SAMPLES) | 1


def sample(tensor):
    flat = tensor.detach().flatten()
    return torch.cat([flat.norm()[None], flat[:: skip(flat.numel())]]).to(torch.float32)


def check_logits(shape, weights, fixture):
    for name in ("seq0", "seq1"):
        ids = fixture[f"{name}.input_ids"]
        found = hidden(shape, weights, ids[None], torch.arange(len(ids))[None])[0] @ head(shape, weights).T
        difference = (found - fixture[f"{name}.logits"]).abs().max().item()
        assert difference < 2e-4, (name, difference)


def batches(fixture):
    """Cases: sequences of ids, each with positions and first keys, masks and what balance counts."""
    texts = [fixture[f"seq{number}.input_ids"].tolist() for number in range(3)]
    plain = [(ids[:-1], ids[1:], list(range(len(ids) - 1)), [0] * (len(ids) - 1)) for ids in texts]
    packed = texts[0] + [EOD] + texts[1] + [EOD] + texts[2] + [EOD]
    first, firsts, positions = 0, [], []
    for place, token in enumerate(packed[:-1]):
        firsts.append(first)
        positions.append(place - first)
        first = place + 1 if token == EOD else first
    whole = [(packed[:-1], packed[1:], positions, firsts)]
    seen = [(packed[:-1], packed[1:], positions, [0] * len(firsts))]
    return {"sequences": (plain, 0.0), "documents": (whole, 0.0), "balanced": (seen, 0.05)}


def loss_of(shape, weights, sequences, coefficient, masks):
    """The mean loss with what balance counts; the sum without, and the auxiliary loss."""
    total, layers = 0.0, None
    for (ids, targets, positions, firsts), mask in zip(sequences, masks, strict=True):
        row = torch.arange(len(ids))
        seen = (row[None] <= row[:, None]) & (row[None] >= torch.tensor(firsts)[:, None])
        loads = []
        x = hidden(shape, weights, torch.tensor(ids)[None], torch.tensor(positions)[None], seen[None, None], loads)[0]
        logs = torch.log_softmax(x @ head(shape, weights).T, -1)
        total = total - (logs[row, torch.tensor(targets)] * torch.tensor(mask)).sum()
        layers = loads if layers is None else [
            (torch.cat([a, c]), torch.cat([b, d])) for (a, b), (c, d) in zip(layers, loads, strict=True)
        ]
    auxiliary = balance(shape, layers) if shape.experts else torch.zeros(())
    count = sum(map(sum, masks))
    return total / count + coefficient * auxiliary, total, auxiliary


def steps(shape, weights, sequences, masks):
    """Three steps with clipping in one of them at least, and decay of matrices alone."""
    parameters = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    groups = [
        {"params": [it for it in parameters.values() if it.dim() > 1], "weight_decay": 0.1},
        {"params": [it for it in parameters.values() if it.dim() == 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=2e-3, betas=(0.9, 0.95), eps=1e-4)
    norms = []
    for _ in range(3):
        adamw.zero_grad()
        loss_of(shape, parameters, sequences, 0.0, masks)[0].backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters.values(), 2.0).item())
        adamw.step()
    return parameters, norms


def main():
    out = FIXTURES / "gradients"
    out.mkdir(exist_ok=True)
    for name in ("yuan-moe-tiny", "yuan-moe-classic-tiny", "yuan-dense-tiny", "yuan-moe-tiny-shares"):
        shape, weights, fixture = load(name.removesuffix("-shares"))
        if name.endswith("-shares"):
            shape.normed = False
        else:
            check_logits(shape, weights, fixture)
        wide = {key: value.to(torch.float64) for key, value in weights.items()}
        found = {}
        for case, (sequences, coefficient) in batches(fixture).items():
            coefficient = coefficient if shape.experts else 0.0
            # Every fifth token is masked, and some count for less.
            masks = [[(0.0, 1.0, 1.0, 0.5, 1.0)[at % 5] for at in range(len(ids))] for ids, *_ in sequences]
            parameters = {key: value.clone().requires_grad_() for key, value in wide.items()}
            mean, total, auxiliary = loss_of(shape, parameters, sequences, coefficient, masks)
            mean.backward()
            joined = [torch.tensor(sum((list(part[at]) for part in sequences), [])) for at in range(4)]
            found |= dict(zip((f"{case}.ids", f"{case}.targets", f"{case}.positions", f"{case}.first_keys"), joined, strict=True))
            found[f"{case}.lengths"] = torch.tensor([len(ids) for ids, *_ in sequences])
            found[f"{case}.weights"] = torch.tensor(sum(masks, []), dtype=torch.float32)
            for key, value in (("balance", coefficient), ("loss", total.item()), ("auxiliary", auxiliary.item())):
                found[f"{case}.{key}"] = torch.tensor([value], dtype=torch.float32)
            for key, value in parameters.items():
                found[f"{case}.gradient.{key}"] = sample(value.grad)
            if case == "sequences" and name == "yuan-moe-tiny":
                after, norms = steps(shape, wide, sequences, masks)
                found["steps.norms"] = torch.tensor(norms, dtype=torch.float32)
                found |= {f"steps.parameter.{key}": sample(value) for key, value in after.items()}
                print(name, "norms", norms)
            print(name, case, total.item(), auxiliary.item())
        save_file({key: value.contiguous() for key, value in found.items()}, out / f"{name}.safetensors")


if __name__ == "__main__":
    main()
