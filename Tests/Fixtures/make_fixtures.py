#!/usr/bin/env python3
"""Makes the checkpoints of this folder: tiny random models of every family with what `transformers` computes on them.

    python make_fixtures.py [NAME …]   # writes models/, or some of them; needs torch, transformers, tokenizers, safetensors, gguf, numpy
    python make_fixtures.py --check    # writes nothing; llama.cpp (xllamacpp) must agree with expected.json

Only maintainers run it: its output is committed. README.md describes what is in each folder.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import normalizers
from transformers import AutoModelForCausalLM

import chatglm_files
import expert_files
import gguf_files
import tokenizer_files

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "models")
TEXT = os.path.join(HERE, "text")

LLAMA3_SCALING = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}

# `stored` is written to config.json as it stands, so the spellings of the wild can be kept: Llama-1 without
# num_key_value_heads and rope_theta, "type" for "rope_type", rope_theta inside or outside of rope_parameters.
FIXTURES = {
    "llama-mha": {
        "dtype": torch.float16, "seed": 11, "tokenizer": "sentencepiece", "gguf": ("llama", "F16"),
        "config": {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 320, "max_position_embeddings": 128,
            "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1,
            "eos_token_id": 2, "torch_dtype": "float16",
        },
    },
    "llama-linear": {
        "dtype": torch.float32, "seed": 12,
        "config": {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 40, "vocab_size": 64,
            "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": False,
            "rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 4.0}, "bos_token_id": 1,
            "eos_token_id": 2, "torch_dtype": "float32",
        },
    },
    "llama3-gqa": {
        "dtype": torch.bfloat16, "seed": 13, "tokenizer": "llama3", "gguf": ("llama", "F32"),
        "config": {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 64,
            "vocab_size": 320, "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True,
            "rope_parameters": dict(LLAMA3_SCALING, rope_theta=100.0), "bos_token_id": 317,
            "eos_token_id": [318, 319], "dtype": "bfloat16",
        },
    },
    "mistral-gqa": {
        "dtype": torch.float16, "seed": 14, "tokenizer": "sentencepiece",
        "config": {
            "architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 32,
            "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8,
            "intermediate_size": 64, "vocab_size": 320, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
            "hidden_act": "silu", "sliding_window": None, "tie_word_embeddings": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "bos_token_id": 1, "eos_token_id": 2,
            "dtype": "float16",
        },
    },
    "qwen2-bias": {
        "dtype": torch.bfloat16, "seed": 15, "tokenizer": "qwen2", "shards": 2,
        "config": {
            "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96, "vocab_size": 320,
            "max_position_embeddings": 256, "max_window_layers": 3, "rms_norm_eps": 1e-6, "hidden_act": "silu",
            "sliding_window": 256, "use_sliding_window": False, "tie_word_embeddings": True, "rope_theta": 1000000.0,
            "bos_token_id": 317, "eos_token_id": 319, "torch_dtype": "bfloat16",
        },
    },
    "qwen3-tied": {
        "dtype": torch.bfloat16, "seed": 16, "tokenizer": "qwen2", "gguf": ("qwen3", "F32"),
        "config": {
            "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 64,
            "vocab_size": 320, "max_position_embeddings": 256, "max_window_layers": 3, "rms_norm_eps": 1e-6,
            "hidden_act": "silu", "attention_bias": False, "sliding_window": None, "use_sliding_window": False,
            "tie_word_embeddings": True, "rope_theta": 1000000.0, "rope_scaling": None, "bos_token_id": 317,
            "eos_token_id": 319, "torch_dtype": "bfloat16",
        },
    },
    "qwen3-odd": {
        "dtype": torch.float16, "seed": 17, "tokenizer": "qwen2", "gguf": ("qwen3", "F16"),
        "config": {
            "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 8, "intermediate_size": 96,
            "vocab_size": 320, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "tie_word_embeddings": False, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "bos_token_id": None, "eos_token_id": 319, "dtype": "float16",
        },
    },
    "gemma2-caps": {
        "dtype": torch.float32, "seed": 18, "tokenizer": "sentencepiece", "gguf": ("gemma2", "F32"),
        "config": {
            "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "hidden_size": 36, "num_hidden_layers": 3,
            "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8, "intermediate_size": 64,
            "vocab_size": 320, "max_position_embeddings": 128, "rms_norm_eps": 1e-6,
            "hidden_activation": "gelu_pytorch_tanh", "hidden_act": "gelu_pytorch_tanh", "query_pre_attn_scalar": 8,
            "attn_logit_softcapping": 1.5, "final_logit_softcapping": 4.0, "sliding_window": 10, "rope_theta": 500.0,
            "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float32",
        },
    },
    "gemma3-local": {
        "dtype": torch.bfloat16, "seed": 19, "tokenizer": "sentencepiece", "gguf": ("gemma3", "F32"),
        "config": {
            "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "hidden_size": 32,
            "num_hidden_layers": 7, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
            "intermediate_size": 48, "vocab_size": 320, "max_position_embeddings": 256, "rms_norm_eps": 1e-6,
            "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 16, "sliding_window": 9,
            "sliding_window_pattern": 6, "rope_theta": 5000.0, "rope_local_base_freq": 100.0, "rope_scaling": None,
            "bos_token_id": 1, "eos_token_id": [2, 3], "torch_dtype": "bfloat16",
        },
    },
    "gemma3-scaled": {
        "dtype": torch.float32, "seed": 20,
        "config": {
            "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "hidden_size": 27,
            "num_hidden_layers": 2, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 8,
            "intermediate_size": 40, "vocab_size": 64, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
            "query_pre_attn_scalar": 24, "sliding_window": 12, "layer_types": ["full_attention", "sliding_attention"],
            "tie_word_embeddings": False, "final_logit_softcapping": 6.0,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
            },
            "bos_token_id": 1, "eos_token_id": 2, "dtype": "float32",
        },
    },
    "phi3-fused": {
        "dtype": torch.float16, "seed": 21, "tokenizer": "sentencepiece", "gguf": ("phi3", "F32"),
        "config": {
            "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48, "vocab_size": 320,
            "max_position_embeddings": 128, "original_max_position_embeddings": 128, "rms_norm_eps": 1e-5,
            "hidden_act": "silu", "sliding_window": None, "tie_word_embeddings": False, "rope_theta": 10000.0,
            "rope_scaling": None, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "torch_dtype": "float16",
        },
    },
    "phi3-partial": {
        "dtype": torch.float32, "seed": 22,
        "config": {
            "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "hidden_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 3, "num_key_value_heads": 1, "intermediate_size": 40, "vocab_size": 64,
            "max_position_embeddings": 128, "original_max_position_embeddings": 32, "partial_rotary_factor": 0.75,
            "rms_norm_eps": 1e-5, "hidden_act": "silu", "sliding_window": 40, "tie_word_embeddings": True,
            "rope_theta": 1000.0, "rope_scaling": {
                "type": "longrope", "short_factor": [1.0, 1.1, 1.3, 1.6, 2.0, 2.5],
                "long_factor": [1.0, 1.5, 2.0, 3.0, 5.0, 8.0],
            },
            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "torch_dtype": "float32",
        },
    },
    "granite-tied": {
        "dtype": torch.bfloat16, "seed": 23, "tokenizer": "llama3", "gguf": ("granite", "F32"),
        "config": {
            "architectures": ["GraniteForCausalLM"], "model_type": "granite", "hidden_size": 32,
            "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64,
            "vocab_size": 320, "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "attention_bias": False, "mlp_bias": False, "embedding_multiplier": 3.0, "residual_multiplier": 0.45,
            "attention_multiplier": 0.2, "logits_scaling": 1.75, "rope_theta": 10000.0, "tie_word_embeddings": True,
            "bos_token_id": 317, "eos_token_id": 319, "torch_dtype": "bfloat16",
        },
    },
    "granite-bias": {
        "dtype": torch.float32, "seed": 24,
        "config": {
            "architectures": ["GraniteForCausalLM"], "model_type": "granite", "hidden_size": 36,
            "num_hidden_layers": 2, "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 40,
            "vocab_size": 64, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "attention_bias": True, "mlp_bias": True, "embedding_multiplier": 2.0, "residual_multiplier": 0.7,
            "attention_multiplier": 0.4, "logits_scaling": 0.8, "rope_theta": 500.0, "tie_word_embeddings": False,
            "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float32",
        },
    },
    "ministral-mixed": {
        "dtype": torch.float32, "seed": 25,
        "config": {
            "architectures": ["MinistralForCausalLM"], "model_type": "ministral", "hidden_size": 32,
            "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 16,
            "intermediate_size": 40, "vocab_size": 64, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
            "hidden_act": "silu", "sliding_window": 8, "tie_word_embeddings": False,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0, "original_max_position_embeddings": 32,
                "beta_fast": 32.0, "beta_slow": 1.0,
            },
            "bos_token_id": 1, "eos_token_id": 2, "dtype": "float32",
        },
    },
    "smollm3-still": {
        "dtype": torch.bfloat16, "seed": 26, "tokenizer": "llama3", "gguf": ("smollm3", "F32"),
        "config": {
            "architectures": ["SmolLM3ForCausalLM"], "model_type": "smollm3", "hidden_size": 32,
            "num_hidden_layers": 5, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48,
            "vocab_size": 320, "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "hidden_act": "silu",
            "attention_bias": False, "mlp_bias": False, "no_rope_layers": [1, 1, 1, 0, 1], "rope_theta": 5000.0,
            "use_sliding_window": False, "sliding_window": None, "tie_word_embeddings": True, "pad_token_id": 319,
            "bos_token_id": 317, "eos_token_id": 318, "torch_dtype": "bfloat16",
        },
    },
    "olmo2-norms": {
        "dtype": torch.float32, "seed": 27, "tokenizer": "llama3", "gguf": ("olmo2", "F32"),
        "config": {
            "architectures": ["Olmo2ForCausalLM"], "model_type": "olmo2", "hidden_size": 36, "num_hidden_layers": 3,
            "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 64, "vocab_size": 320,
            "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "hidden_act": "silu", "attention_bias": False,
            "rope_theta": 500000.0, "rope_scaling": None, "tie_word_embeddings": False, "pad_token_id": 319,
            "bos_token_id": 317, "eos_token_id": 318, "torch_dtype": "float32",
        },
    },
    "glm-partial": {
        "dtype": torch.float32, "seed": 28,
        "config": {
            "architectures": ["GlmForCausalLM"], "model_type": "glm", "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 40,
            "vocab_size": 64, "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "hidden_act": "silu",
            "attention_bias": True, "partial_rotary_factor": 0.5, "rope_theta": 10000.0, "tie_word_embeddings": False,
            "pad_token_id": 0, "bos_token_id": None, "eos_token_id": [2, 3], "torch_dtype": "float32",
        },
    },
    "glm4-norms": {
        "dtype": torch.bfloat16, "seed": 29, "tokenizer": "llama3", "gguf": ("glm4", "F32"),
        "config": {
            "architectures": ["Glm4ForCausalLM"], "model_type": "glm4", "hidden_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 48,
            "vocab_size": 320, "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "attention_bias": False, "partial_rotary_factor": 0.5, "rope_theta": 10000.0, "tie_word_embeddings": False,
            "pad_token_id": 319, "bos_token_id": 317, "eos_token_id": [318, 319], "torch_dtype": "bfloat16",
        },
    },
    # Stored as ChatGLM 3: chatglm_files.py.
    "chatglm-joined": {
        "dtype": torch.float32, "seed": 30, "tokenizer": "qwen2", "gguf": ("chatglm", "F32"), "rope_ratio": 2,
        "config": {
            "architectures": ["GlmForCausalLM"], "model_type": "glm", "hidden_size": 48, "num_hidden_layers": 3,
            "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 16, "intermediate_size": 40,
            "vocab_size": 320, "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "attention_bias": True, "partial_rotary_factor": 0.5, "tie_word_embeddings": False, "pad_token_id": 317,
            "bos_token_id": None, "eos_token_id": 319, "torch_dtype": "float32",
        },
    },
} | expert_files.FIXTURES


def random_weights(model, seed):
    """Weights of a size at which attention is not uniform, logits spread, and no gain or bias is trivial."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        transposed = "GptOss" in type(model).__name__ and parameter.dim() == 3
        if (own := expert_files.random_part(name, noise)) is not None:
            value = own
        elif "norm" in name:
            # Gemma stores the gains without the 1.
            value = (1 + 0.3 * noise).clamp(0.3, 2.0) - (1 if "Gemma" in type(model).__name__ else 0)
        elif name.endswith(".bias"):
            value = 0.5 * noise
        elif "embed_tokens" in name:
            value = 0.4 * noise
        else:
            # Routers ("gate", "router") have large logits, so that no choice is close to a tie.
            gain = {"q_proj": 1.4, "k_proj": 1.4, "lm_head": 1.6, "gate": 3.0, "router": 3.0}.get(name.split(".")[-2], 1.2)
            value = gain * noise / parameter.shape[1 if transposed else -1] ** 0.5
            if transposed:
                value = expert_files.rounded_to_blocks(value)
        parameter.data.copy_(value)


def save_weights(folder, tensors, shards):
    if shards == 1:
        save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
        return
    names = sorted(tensors)
    index = {"metadata": {"total_size": sum(t.numel() * t.element_size() for t in tensors.values())}, "weight_map": {}}
    for shard in range(shards):
        part = names[shard * len(names) // shards:(shard + 1) * len(names) // shards]
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        save_file({name: tensors[name] for name in part}, os.path.join(folder, file), metadata={"format": "pt"})
        index["weight_map"].update({name: file for name in part})
    write_json(os.path.join(folder, "model.safetensors.index.json"), index)


def write_json(path, value, indent=2):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=indent)
        file.write("\n")


def six(values):
    """Six significant digits, in a shape that JSON writes short."""
    return [float(f"{float(value):.6g}") for value in values]


@torch.no_grad()
def logits_of(model, tokens):
    return model(torch.tensor([tokens]), use_cache=False).logits[0]


def measured(model, tokens, positions):
    """The record of one sequence; `token_nll[i]` is the surprise of token i + 1 after tokens 0…i, in nats."""
    logits = logits_of(model, tokens)
    nll = -torch.log_softmax(logits.double(), -1)[torch.arange(len(tokens) - 1), torch.tensor(tokens[1:], dtype=torch.long)]
    record = {"tokens": tokens}
    if len(tokens) > 1:
        record |= {"mean_nll": six([nll.mean()])[0], "token_nll": six(nll)}
    return record | {"positions": positions, "logits": [six(logits[position]) for position in positions]}


def greedy(model, prompt, count):
    """Greedy continuation; refuses a prompt where two tokens nearly tie, since no other program must break the tie."""
    tokens = list(prompt)
    for _ in range(count):
        top = logits_of(model, tokens)[-1].topk(2)
        if top.values[0] - top.values[1] < 0.02:
            return None
        tokens.append(int(top.indices[0]))
    return tokens[len(prompt):]


def expected_values(model, seed):
    generator = np.random.default_rng(seed)
    vocabulary = model.config.vocab_size

    def sample(length):
        return [int(token) for token in generator.integers(3, vocabulary, length)]

    sequences = [
        measured(model, sample(48), [0, 1, 20, 47]), measured(model, sample(13), [11, 12]), measured(model, sample(1), [0]),
    ]
    continuation = None
    while continuation is None:
        prompt = sample(5)
        continuation = greedy(model, prompt, 12)
    return {"sequences": sequences, "greedy": {"prompt": prompt, "continuation": continuation}}


def make_tokenizer(kind):
    if kind == "sentencepiece":
        return tokenizer_files.sentencepiece_style(TEXT, 320), {
            "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
            "add_bos_token": True, "add_eos_token": False, "clean_up_tokenization_spaces": False,
            "model_max_length": 128,
        }
    if kind == "llama3":
        specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
        return tokenizer_files.byte_level(
            TEXT, 320, specials, tokenizer_files.LLAMA3_PATTERN, bos=specials[0]), {
                "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": specials[0], "eos_token": specials[2],
                "add_bos_token": True, "clean_up_tokenization_spaces": False, "model_max_length": 256,
            }
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return tokenizer_files.byte_level(TEXT, 320, specials, tokenizer_files.QWEN2_PATTERN, normalizers.NFC()), {
        "tokenizer_class": "Qwen2TokenizerFast", "bos_token": None, "eos_token": specials[2], "unk_token": None,
        "pad_token": specials[0], "add_bos_token": False, "add_prefix_space": False,
        "clean_up_tokenization_spaces": False, "model_max_length": 256,
    }


def make(name, fixture):
    folder = os.path.join(MODELS, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    write_json(os.path.join(folder, "config.json"), fixture["config"])
    if name == "llama3-gqa":  # the same model in the spelling of Llama 3.1 and 3.2
        old = {key: value for key, value in fixture["config"].items() if key != "rope_parameters"}
        old |= {"rope_theta": fixture["config"]["rope_parameters"]["rope_theta"], "rope_scaling": LLAMA3_SCALING}
        write_json(os.path.join(folder, "config-rope_scaling.json"), old)
    config = transformers.AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    random_weights(model, fixture["seed"])
    if expert_files.experts(config):
        tensors = expert_files.stored(model, fixture["dtype"])
        tensors = expert_files.quantised(tensors) if fixture.get("blocks") else tensors
    else:
        tensors = {key: value.to(fixture["dtype"]).contiguous() for key, value in model.state_dict().items()
                   if not (key == "lm_head.weight" and config.tie_word_embeddings)}
    if "rope_ratio" in fixture:
        write_json(os.path.join(folder, "config.json"), chatglm_files.config_of(config, fixture["rope_ratio"]))
        tensors = chatglm_files.tensors_of(tensors)
    save_weights(folder, tensors, fixture.get("shards", 1))

    model = open_model(folder, fixture)
    if expert_files.experts(config):
        model.set_experts_implementation("eager")
    margins = expert_files.RouterMargins(model)
    expected = {
        "made_with": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0],
                      "arithmetic": "float32, eager attention, on the stored weights"},
        "parameters": model.num_parameters(),
    } | expected_values(model, fixture["seed"])
    if "tokenizer" in fixture:
        tokenizer, settings = make_tokenizer(fixture["tokenizer"])
        tokenizer_files.write(tokenizer, folder, settings)
        expected["tokenizer"] = tokenizer_files.expected_cases(tokenizer)
    write_json(os.path.join(folder, "expected.json"), expected, indent=None)
    spread = logits_of(model, expected["sequences"][0]["tokens"]).std(-1).mean()
    print(f"{name}: {expected['parameters']} parameters, spread of logits {spread:.2f}, "
          f"mean NLL {expected['sequences'][0]['mean_nll']:.3f}")
    margins.check()
    if "gguf" in fixture:
        write_gguf(name, fixture, os.path.join(folder, f"{name}.gguf"))


def open_model(folder, fixture):
    """transformers' model, or for folders that it has no class for our own, which must compute what its class for the same
    network computes."""
    if "rope_ratio" not in fixture:
        return AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="eager", dtype=torch.float32, **expert_files.loading(os.path.basename(folder))).eval()
    model, glm = chatglm_files.Model(folder), chatglm_files.as_glm(folder)
    tokens = np.random.default_rng(1).integers(3, model.config.vocab_size, 60).tolist()
    difference = float((logits_of(model, tokens) - logits_of(glm, tokens)).abs().max())
    print(f"{os.path.basename(folder)}: largest logit difference to GlmForCausalLM {difference:.2e}")
    assert difference < 1e-5 and model.num_parameters() == glm.num_parameters()
    return model


def write_gguf(name, fixture, path, architecture=None, kind=None):
    folder = os.path.join(MODELS, name)
    config, tensors = gguf_files.load_folder(folder)
    if "rope_ratio" in fixture:
        config, tensors = chatglm_files.glm_keys(config), chatglm_files.joined(tensors)
    kept = "llama" if config["model_type"] == "mistral" else config["model_type"]
    defaults = fixture.get("gguf", (kept, "F32"))
    gguf_files.write(path, config, tensors, architecture or defaults[0],
                     gguf.GGMLQuantizationType[kind or defaults[1]], folder if "tokenizer" in fixture else None)


def check(name, fixture):
    """llama.cpp on the committed GGUF, or on one written now, against expected.json."""
    sys.path.insert(0, os.path.join(HERE, "..", "checks"))
    from stock_llama_cpp import LlamaCpp

    if fixture.get("blocks"):
        print(f"{name}: not compared, since llama.cpp rounds the bounds of yarn's ramp")
        return True
    folder = os.path.join(MODELS, name)
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
        expected = json.load(file)
    committed = os.path.join(folder, f"{name}.gguf")
    with tempfile.TemporaryDirectory() as scratch:
        wide = os.path.join(scratch, f"{name}.gguf")
        write_gguf(name, fixture, wide, kind="F32")
        # llama.cpp looks GELU up in a table of half precision.
        good = compare(LlamaCpp, wide, expected, name, "F32", 5e-3 if name.startswith("gemma") else 1e-3)
        if "gguf" in fixture:
            # With F16 weights llama.cpp also narrows the activations to F16 before it multiplies.
            kind = fixture["gguf"][1]
            if kind == "MXFP4":  # llama.cpp would narrow the activations to Q8_0, and its routers could choose otherwise
                return same_tensors(committed, wide) and good
            good &= compare(LlamaCpp, committed, expected, name, f"committed {kind}", 2e-2 if kind == "F16" else 5e-3)
    return good


def same_tensors(path, other):
    """Whether two GGUF hold the same numbers."""
    first, second = ({tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
                      for tensor in gguf.GGUFReader(file).tensors} for file in (path, other))
    same = first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
    print(f"{os.path.basename(path)}: {'the same numbers' if same else 'OTHER NUMBERS'} as in F32")
    return same


def compare(LlamaCpp, path, expected, name, label, tolerance):
    with LlamaCpp(path, context_length=64) as model:
        worst = 0.0
        for sequence in expected["sequences"]:
            logits = model.logits(sequence["tokens"])[sequence["positions"]]
            worst = max(worst, float(np.abs(logits - np.array(sequence["logits"])).max()))
        # llama.cpp applies no Unicode normalisation, so the case with a combining accent is left out.
        cases = [case for case in expected.get("tokenizer", []) if "e\u0301" not in case["text"]]
        same = sum(model.tokenize(case["text"]) == case["ids_with_special_tokens"] for case in cases)
    print(f"{name} ({label}): largest logit difference to llama.cpp {worst:.2e}, "
          f"texts tokenised alike {same} of {len(cases)}")
    return worst <= tolerance and same == len(cases)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="NAME", nargs="*", choices=[[], *FIXTURES], help="of a fixture; all by default")
    parser.add_argument("--check", action="store_true", help="compare the committed files with llama.cpp")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    some = {name: fixture for name, fixture in FIXTURES.items() if name in (arguments.names or FIXTURES)}
    if arguments.check:
        sys.exit(0 if all([check(name, fixture) for name, fixture in some.items()]) else 1)
    for name, fixture in some.items():
        make(name, fixture)


if __name__ == "__main__":
    main()
