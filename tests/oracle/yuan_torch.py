"""Yuan 2.0 and Yuan2.0-M32 in plain torch with autograd: what training is checked against and measured beside.

Weights are a dictionary under Hugging Face's names. `hidden` reads a batch `[batch, tokens]` of sequences of one length.
"""

import torch
from torch.nn.functional import scaled_dot_product_attention, silu


class Shape:
    """The fields of a `config.json` that matter here."""

    def __init__(self, config):
        self.hidden = config["hidden_size"]
        self.layers = config["num_hidden_layers"]
        self.heads = config["num_attention_heads"]
        self.width = config.get("attention_projection_size", self.hidden)
        self.eps = config["rms_norm_eps"]
        self.base = config.get("rotary_base", 10000.0)
        self.tied = config.get("tie_word_embeddings", True)
        moe = config.get("moe_config") if config.get("use_moe") else None
        self.experts = moe["moe_num_experts"] if moe else 0
        self.top_k = moe["moe_top_k"] if moe else 0
        self.normed = moe["norm_topk_prob"] if moe else True
        self.is_classic = bool(moe) and moe.get("router_type") == "classic"


def norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def before(x):
    """Each token's predecessor, zero before the first."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)


def convolve(x, weight, bias):
    return before(x) @ weight[:, :, 0, 0].T + x @ weight[:, :, 1, 0].T + bias


def rotate(x, cos, sin):
    """The first values of each head, as many as there are angles twice."""
    half = cos.shape[-1]
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], -1)


def angles(shape, positions, dtype):
    rotary = shape.hidden // shape.heads
    frequencies = 1.0 / shape.base ** (torch.arange(0, rotary, 2, dtype=torch.float32) / rotary)
    angle = positions.to(torch.float32)[..., None] * frequencies
    return angle.to(torch.float64).cos().to(dtype), angle.to(torch.float64).sin().to(dtype)


def attend(shape, get, z, n, positions, mask):
    batch, tokens, _ = n.shape
    both = torch.cat([z @ get("self_attn.q_proj.weight").T, z @ get("self_attn.k_proj.weight").T], -1)
    query, key = both.view(batch, tokens, shape.heads, -1).chunk(2, -1)
    value = (n @ get("self_attn.v_proj.weight").T).view(batch, tokens, shape.heads, -1)
    cos, sin = (part[..., None, :] for part in angles(shape, positions, n.dtype))
    query, key = rotate(query, cos, sin), rotate(key, cos, sin)
    parts = [part.transpose(1, 2) for part in (query, key, value)]
    seen = dict(attn_mask=mask) if mask is not None else dict(is_causal=True)
    mixed = scaled_dot_product_attention(*parts, **seen).transpose(1, 2).reshape(batch, tokens, -1)
    return mixed @ get("self_attn.o_proj.weight").T


def router(shape, get, m):
    if shape.is_classic:
        return m @ get("mlp.gate.weight").T
    query, key, value = (m @ get(f"mlp.gate.{name}.weight").T for name in ("query", "key", "value"))
    shares = torch.softmax(query[..., :, None] * key[..., None, :], -1)
    return (shares @ value[..., None])[..., 0]


def expert(get, number, x):
    first, second = (x @ get(f"mlp.experts.{number}.w1.weight").T).chunk(2, -1)
    return (silu(first) * second) @ get(f"mlp.experts.{number}.w2.weight").T


def feed_forward(shape, get, m, loads):
    if not shape.experts:
        inner = silu(m @ get("mlp.up_proj.weight").T) * (m @ get("mlp.gate_proj.weight").T)
        return inner @ get("mlp.down_proj.weight").T
    rows = m.reshape(-1, m.shape[-1])
    logits = router(shape, get, rows)
    chosen, ids = logits.topk(shape.top_k, -1)
    weights = torch.softmax(chosen, -1) if shape.normed else torch.softmax(logits, -1).gather(-1, ids)
    loads.append((logits, ids))
    out = torch.zeros_like(rows)
    for number in range(shape.experts):
        token, choice = (ids == number).nonzero(as_tuple=True)
        made = expert(get, number, rows[token]) * weights[token, choice, None]
        out = out.index_add(0, token, made.to(out.dtype))
    return out.view_as(m)


def hidden(shape, weights, ids, positions, mask=None, loads=None):
    """The last norm's output, `[batch, tokens, hidden]`; `loads` gets router logits and choices of each layer."""
    loads = [] if loads is None else loads
    x = weights["model.embed_tokens.weight"][ids]
    for number in range(shape.layers):
        get = lambda name: weights[f"model.layers.{number}.{name}"]  # noqa: E731
        n = norm(x, get("input_layernorm.weight"), shape.eps)
        inner = convolve(n, get("self_attn.lf_gate.conv1.weight"), get("self_attn.lf_gate.conv1.bias"))
        outer = convolve(inner, get("self_attn.lf_gate.conv2.weight"), get("self_attn.lf_gate.conv2.bias"))
        z = norm(outer + n, get("self_attn.lf_gate.output_layernorm.weight"), 1e-6)
        x = x + attend(shape, get, z, n, positions, mask)
        m = norm(x, get("post_attention_layernorm.weight"), shape.eps)
        x = x + feed_forward(shape, get, m, loads)
    return norm(x, weights["model.norm.weight"], shape.eps)


def head(shape, weights):
    return weights["model.embed_tokens.weight" if shape.tied else "lm_head.weight"]


def balance(shape, layers):
    """Megatron's auxiliary loss of a layer's (logits, choices), summed over layers; 1 a layer where all is even."""
    total = 0.0
    for logits, ids in layers:
        tokens = torch.bincount(ids.flatten(), minlength=shape.experts).to(logits.dtype)
        rows = logits.shape[0]
        shares = torch.softmax(logits, -1).sum(0)
        total = total + (shares * tokens).sum() * shape.experts / (shape.top_k * rows * rows)
    return total
