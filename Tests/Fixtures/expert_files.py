"""Mixtures of experts among the fixtures: their configurations, how their weights are stored, and how sure their routers are."""

import os
import re
import tempfile

import torch
from safetensors.torch import load_file

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
}


def experts(config):
    """How many a layer has, by config.json or the object made of it; 0 without any."""
    get = config.get if isinstance(config, dict) else lambda key, default: getattr(config, key, default)
    return get("num_local_experts", None) or get("num_experts", None) or 0


def stored(model, dtype):
    """The tensors as `save_pretrained` writes them. transformers computes with the experts of a layer in one tensor and stores
    one tensor for each expert, which is also what checkpoints of the wild hold."""
    with tempfile.TemporaryDirectory() as scratch:
        model.to(dtype).save_pretrained(scratch)
        return load_file(os.path.join(scratch, "model.safetensors"))


class RouterMargins:
    """Watches the routers of a model: the smallest margin of a choice, and how many different choices each layer made."""

    def __init__(self, model):
        self.smallest, self.choices = float("inf"), {}
        for name, module in model.named_modules():
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


def stacked(tensors):
    """The tensors of one layer's experts as one, [experts, rows, columns], with the names that GGUF has for them."""
    result, groups = {}, {}
    for name, tensor in tensors.items():
        match = EXPERT.fullmatch(name)
        if match:
            part = MIXTRAL_NAMES.get(match[3], match[3].removesuffix("_proj"))
            groups.setdefault(f"{match[1]}.ffn_{part}_exps.weight", {})[int(match[2])] = tensor
        else:
            result[name] = tensor
    return result | {
        name: torch.stack([rows[i] for i in range(len(rows))]) for name, rows in groups.items()}


def gradient_parts(name, tensor):
    """The gradients of a layer's experts side by side, as the channels of one wide MLP: rows of gate and up, columns of down."""
    if name.endswith("experts.gate_up_proj"):
        gate, up = tensor.chunk(2, dim=1)
        return {name.replace("experts.gate_up_proj", f"{part}_proj.weight"): piece.flatten(0, 1)
                for part, piece in (("gate", gate), ("up", up))}
    if name.endswith("experts.down_proj"):
        return {name.replace("experts.down_proj", "down_proj.weight"): tensor.transpose(0, 1).flatten(1)}
    return {name.replace("mlp.gate.", "mlp.router."): tensor}
