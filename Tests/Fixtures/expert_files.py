"""Mixtures of experts among the fixtures: their configurations, how their weights are stored, and how sure their routers are."""

import os
import re
import tempfile

import gguf
import torch
from safetensors.torch import load_file
from transformers import Mxfp4Config

# No token of the expected inputs may be routed by less than this: the last logit that a router takes is larger than the
# first that it leaves out by at least that much, in every layer. Programs that round otherwise still choose alike then.
MARGIN = 1e-3

FIXTURES = {
    "qwen3moe-six": {
        "dtype": torch.bfloat16, "seed": 30, "tokenizer": "qwen2", "gguf": ("qwen3moe", "F32"),
        "config": {
            "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": 48,
            "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 10,
            "intermediate_size": 72, "moe_intermediate_size": 20, "num_experts": 6, "num_experts_per_tok": 2,
            "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [], "vocab_size": 320,
            "max_position_embeddings": 256, "max_window_layers": 3, "rms_norm_eps": 1e-6, "hidden_act": "silu",
            "attention_bias": False, "attention_dropout": 0.0, "output_router_logits": False,
            "router_aux_loss_coef": 0.001, "sliding_window": None, "use_sliding_window": False,
            "tie_word_embeddings": False, "rope_theta": 1000000.0, "rope_scaling": None, "bos_token_id": 317,
            "eos_token_id": 319, "torch_dtype": "bfloat16",
        },
    },
    "olmoe-five": {
        "dtype": torch.float32, "seed": 31, "tokenizer": "llama3", "gguf": ("olmoe", "F32"),
        "config": {
            "architectures": ["OlmoeForCausalLM"], "model_type": "olmoe", "hidden_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 3, "num_key_value_heads": 3, "intermediate_size": 24, "num_experts": 5,
            "num_experts_per_tok": 3, "norm_topk_prob": False, "vocab_size": 320, "max_position_embeddings": 256,
            "rms_norm_eps": 1e-5, "hidden_act": "silu", "attention_bias": False, "attention_dropout": 0.0,
            "clip_qkv": None, "output_router_logits": False, "router_aux_loss_coef": 0.01,
            "tie_word_embeddings": False, "rope_theta": 10000.0, "rope_scaling": None, "pad_token_id": 319,
            "bos_token_id": 317, "eos_token_id": 318, "torch_dtype": "float32",
        },
    },
    "mixtral-four": {
        "dtype": torch.float16, "seed": 32, "tokenizer": "sentencepiece", "gguf": ("llama", "F32"),
        "config": {
            "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "hidden_size": 32,
            "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 28,
            "num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 320, "max_position_embeddings": 128,
            "rms_norm_eps": 1e-5, "hidden_act": "silu", "attention_dropout": 0.0, "output_router_logits": False,
            "router_aux_loss_coef": 0.02, "sliding_window": None, "tie_word_embeddings": False,
            "rope_theta": 1000000.0, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float16",
        },
    },
    # llama.cpp rounds the bounds of yarn's ramp to whole dimensions, gpt-oss ("truncate": false) does not. With this theta the bounds
    # are 0 and 3.999997, so that both agree to a millionth; 4 itself could be rounded up to 5.
    "gptoss-sinks": {
        "dtype": torch.bfloat16, "seed": 36, "tokenizer": "llama3", "gguf": ("gpt-oss", "MXFP4"),
        "config": {
            "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "hidden_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 64,
            "num_local_experts": 4, "num_experts_per_tok": 2, "experts_per_token": 2, "vocab_size": 320,
            "max_position_embeddings": 2048, "initial_context_length": 64, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "swiglu_limit": 7.0, "attention_bias": True, "attention_dropout": 0.0, "output_router_logits": False,
            "router_aux_loss_coef": 0.9, "sliding_window": 12,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "tie_word_embeddings": False,
            "rope_theta": 103.7532, "rope_scaling": {
                "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
                "original_max_position_embeddings": 64, "truncate": False,
            },
            "pad_token_id": 319, "bos_token_id": 317, "eos_token_id": 318, "dtype": "bfloat16",
        },
    },
    "gptoss-blocks": {
        "dtype": torch.bfloat16, "seed": 34, "blocks": True,
        "config": {
            "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "hidden_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 32,
            "num_local_experts": 4, "num_experts_per_tok": 2, "experts_per_token": 2, "vocab_size": 64,
            "max_position_embeddings": 131072, "initial_context_length": 4096, "rms_norm_eps": 1e-5,
            "hidden_act": "silu", "swiglu_limit": 7.0, "attention_bias": True, "attention_dropout": 0.0,
            "output_router_logits": False, "router_aux_loss_coef": 0.9, "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"], "tie_word_embeddings": False,
            "rope_theta": 150000, "rope_scaling": {
                "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
                "original_max_position_embeddings": 4096, "truncate": False,
            },
            "quantization_config": {
                "quant_method": "mxfp4",
                "modules_to_not_convert": [
                    "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"],
            },
            "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": [2, 3],
        },
    },
}


def experts(config):
    """How many a layer has, by config.json or the object made of it; 0 without any."""
    get = config.get if isinstance(config, dict) else lambda key, default: getattr(config, key, default)
    return get("num_local_experts", None) or get("num_experts", None) or 0


def loading(name):
    """What `from_pretrained` has to be told of a fixture: experts in blocks are made numbers again."""
    return {"quantization_config": Mxfp4Config(dequantize=True)} if FIXTURES.get(name, {}).get("blocks") else {}


def stored(model, dtype):
    """The tensors as `save_pretrained` writes them. transformers computes with the experts of a layer in one tensor and stores
    one tensor for each expert, which is also what checkpoints of the wild hold."""
    with tempfile.TemporaryDirectory() as scratch:
        model.to(dtype).save_pretrained(scratch)
        return load_file(os.path.join(scratch, "model.safetensors"))


def random_part(name, noise):
    """What `random_weights` gives the tensors that only gpt-oss has; None for others."""
    if name.endswith("sinks"):
        return 1 + noise
    if name.endswith("gate_up_proj_bias"):
        return 3 * noise  # so large that some gates and ups are clamped
    if name.endswith("down_proj_bias"):
        return 0.5 * noise
    return None


def in_blocks(rows):
    """[…, columns] as MXFP4 the way gpt-oss stores it: […, columns / 32, 16] bytes of two numbers, neighbours together and the
    first in the lower half, and an exponent for every 32 numbers."""
    raw = gguf.quants.quantize(rows.float().contiguous().numpy(), gguf.GGMLQuantizationType.MXFP4)
    raw = torch.from_numpy(raw).reshape(*rows.shape[:-1], rows.shape[-1] // 32, 17)
    # GGUF has the first 16 numbers in the lower halves and the last 16 in the upper ones.
    numbers = torch.cat((raw[..., 1:] & 15, raw[..., 1:] >> 4), dim=-1)
    return numbers[..., ::2] | numbers[..., 1::2] << 4, raw[..., 0].contiguous()


def rounded_to_blocks(tensor):
    """The experts of gpt-oss [experts, inputs, outputs] with numbers that MXFP4 holds exactly."""
    rows = tensor.float().transpose(1, 2).contiguous().numpy()
    kind = gguf.GGMLQuantizationType.MXFP4
    return torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(rows, kind), kind)).transpose(1, 2).contiguous()


def quantised(tensors):
    """The tensors with the experts' matrices in blocks, as the published gpt-oss has them."""
    result = {}
    for name, tensor in tensors.items():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            result[f"{name}_blocks"], result[f"{name}_scales"] = in_blocks(tensor.transpose(1, 2))
        else:
            result[name] = tensor
    return result


class RouterMargins:
    """Watches the routers of a model: the smallest margin of a choice, and how many different choices each layer made."""

    def __init__(self, model):
        self.smallest, self.choices = float("inf"), {}
        for name, module in getattr(model, "named_modules", list)():
            if type(module).__name__.endswith("TopKRouter"):
                module.register_forward_hook(lambda router, _, output, name=name: self._record(name, router.top_k, output[0]))

    def _record(self, name, taken, logits):
        best = logits.detach().double().topk(taken + 1)
        self.smallest = min(self.smallest, float((best.values[:, taken - 1] - best.values[:, taken]).min()))
        self.choices.setdefault(name, set()).update(tuple(sorted(row)) for row in best.indices[:, :taken].tolist())

    def check(self):
        """Refuses choices that are nearly ties, or that are the same for all tokens."""
        if not self.choices:
            return
        counts = [len(choices) for choices in self.choices.values()]
        print(f"  routers choose by {self.smallest:.1e} at least; different choices of the layers: {counts}")
        if self.smallest < MARGIN or min(counts) < 3:
            raise SystemExit("a router nearly ties or hardly chooses: take another seed")


# What the projections of an expert are called in Mixtral, and elsewhere.
MIXTRAL_NAMES = {"w1": "gate", "w3": "up", "w2": "down"}
EXPERT = re.compile(r"(model\.layers\.\d+)\.(?:mlp|block_sparse_moe)\.experts\.(\d+)\.(\w+)\.weight")


def stack_of(name):
    """(name of the tensor that `stacked` puts it in, number of the expert) for a matrix of one expert; None for others."""
    match = EXPERT.fullmatch(name)
    return match and (f"{match[1]}.ffn_{MIXTRAL_NAMES.get(match[3], match[3].removesuffix('_proj'))}_exps.weight", int(match[2]))


def stacked(tensors):
    """The tensors of one layer's experts as one, [experts, rows, columns], with the names that GGUF has for them."""
    result, groups = {}, {}
    for name, tensor in tensors.items():
        if ".experts." in name and not name.endswith(".weight"):
            layer = name.split(".mlp.")[0]
            result |= {f"{layer}.ffn_{part}_exps.{kind}": piece for (part, kind), piece in split_fused(name, tensor).items()}
            continue
        stack = stack_of(name)
        if stack:
            groups.setdefault(stack[0], {})[stack[1]] = tensor
        else:
            result[name] = tensor
    return result | {
        name: torch.stack([rows[i] for i in range(len(rows))]) for name, rows in groups.items()}


def split_fused(name, tensor):
    """One part of gpt-oss's experts, [experts, outputs, inputs] or [experts, outputs], by what the parts are called: gate and up
    alternate, and matrices are stored with the inputs first."""
    base, part = name.rsplit(".", 1)
    kind = "bias" if part.endswith("_bias") else "weight"
    if kind == "weight":
        tensor = tensor.transpose(1, 2)
    if part.startswith("gate_up"):
        return {("gate", kind): tensor[:, ::2], ("up", kind): tensor[:, 1::2]}
    return {("down", kind): tensor}


def gradient_parts(name, tensor, model_type):
    """The gradients of a layer's experts side by side, as the channels of one wide MLP: rows of gate and up, columns of down."""
    if ".experts." not in name:
        return {name.replace("mlp.gate.", "mlp.router."): tensor}
    if model_type == "gpt_oss":
        pieces = split_fused(name, tensor)
    elif name.endswith("gate_up_proj"):
        gate, up = tensor.chunk(2, dim=1)
        pieces = {("gate", "weight"): gate, ("up", "weight"): up}
    else:
        pieces = {("down", "weight"): tensor}
    prefix = name.split("experts.")[0]
    return {
        f"{prefix}{part}_proj.{kind}":
        piece.transpose(0, 1).flatten(1) if (part, kind) == ("down", "weight") else piece.flatten(0, 1)
        for (part, kind), piece in pieces.items()
    }
