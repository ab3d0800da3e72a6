"""Tiny trained models of every family, in every format that nas-search reads. Only check_matrix.py and check_experts.py use it.

`train` makes a network of transformers from a fixed seed and trains it for some seconds on the texts of the fixtures, so that
perplexities mean something and rounding hurts as it does in real models. Rows are multiples of 256 numbers, as the K types of
llama.cpp need. `save` writes a Hugging Face folder, `FORMATS` all formats from such a folder, each with a *twin*: a folder and
an F32 GGUF of exactly the weights that the file means. transformers reads no GGUF of all types, and llama.cpp multiplies
16-bit and quantised weights with rounded activations, so the twins are what both references are run on.
"""

import json
import os
import shutil
import sys
from dataclasses import dataclass

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file

CHECKS = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(os.path.dirname(CHECKS), "Fixtures")
sys.path[:0] = [CHECKS, FIXTURES]

import expert_files  # noqa: E402
import gguf_files  # noqa: E402
import make_fixtures  # noqa: E402
from stock_llama_cpp import quantize  # noqa: E402

TEXT = os.path.join(FIXTURES, "text", "lighthouse.txt")
NOTES = os.path.join(FIXTURES, "text", "notes.jsonl")
Type = gguf.GGMLQuantizationType

COMMON = dict(vocab_size=320, hidden_size=256, intermediate_size=512, num_hidden_layers=3, num_attention_heads=8,
              num_key_value_heads=4, max_position_embeddings=256, rms_norm_eps=1e-5, tie_word_embeddings=False,
              pad_token_id=None)


# Mixtures of 12 experts of which a token takes 3.
EXPERTS = dict(num_experts_per_tok=3)
EXPERT_CHANNELS = 256


@dataclass
class Family:
    class_name: str  # of transformers, without "Config"
    tokenizer: str  # of make_fixtures.make_tokenizer
    architecture: str | None  # in a GGUF; llama.cpp has none for Mistral. None: no GGUF of it is made here
    settings: dict
    takes_widths: bool = True  # whether a GGUF takes layers of different widths
    uniform: str = "uniform"  # the space with one width for all layers
    gguf_window: int = 128  # tokens up to which a GGUF is the same network


FAMILIES = {
    "llama": Family("Llama", "llama3", "llama", dict(bos_token_id=317, eos_token_id=319)),
    # Heads of more numbers than hidden_size / num_attention_heads.
    "mistral": Family("Mistral", "sentencepiece", "llama",
                      dict(head_dim=64, sliding_window=None, bos_token_id=1, eos_token_id=2)),
    "qwen2": Family("Qwen2", "qwen2", "qwen2", dict(tie_word_embeddings=True, bos_token_id=None, eos_token_id=319)),
    "qwen3": Family("Qwen3", "qwen2", "qwen3",
                    dict(head_dim=64, tie_word_embeddings=True, bos_token_id=None, eos_token_id=319)),
    "gemma2": Family("Gemma2", "sentencepiece", "gemma2",
                     dict(head_dim=64, query_pre_attn_scalar=64, sliding_window=40, attn_logit_softcapping=6.0,
                          final_logit_softcapping=12.0, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2),
                     takes_widths=False),
    # The last layer sees everything.
    "gemma3": Family("Gemma3Text", "sentencepiece", "gemma3",
                     dict(num_hidden_layers=6, head_dim=64, query_pre_attn_scalar=64, sliding_window=40,
                          tie_word_embeddings=True, bos_token_id=1, eos_token_id=2), takes_widths=False),
    "phi3": Family("Phi3", "sentencepiece", "phi3",
                   dict(bos_token_id=1, eos_token_id=2, original_max_position_embeddings=256, rope_parameters=dict(
                       rope_type="default", rope_theta=10_000.0, partial_rotary_factor=0.75))),
    "granite": Family("Granite", "llama3", "granite",
                      dict(embedding_multiplier=3.0, residual_multiplier=0.5, attention_multiplier=0.12, logits_scaling=1.75,
                           tie_word_embeddings=True, bos_token_id=317, eos_token_id=319)),
    "ministral": Family("Ministral", "sentencepiece", None,
                        dict(head_dim=64, sliding_window=80, layer_types=[
                            "sliding_attention", "full_attention", "sliding_attention"], bos_token_id=1, eos_token_id=2),
                        gguf_window=64),
    # The fourth layer does not turn.
    "smollm3": Family("SmolLM3", "llama3", "smollm3",
                      dict(num_hidden_layers=4, tie_word_embeddings=True, bos_token_id=317, eos_token_id=319),
                      takes_widths=False),
    "olmo2": Family("Olmo2", "llama3", "olmo2", dict(bos_token_id=317, eos_token_id=319), takes_widths=False,
                    uniform="all-heads.yaml"),
    "glm": Family("Glm", "llama3", None,
                  dict(head_dim=32, attention_bias=True, bos_token_id=317, eos_token_id=319, rope_parameters=dict(
                      rope_type="default", rope_theta=10_000.0, partial_rotary_factor=0.5))),
    "glm4": Family("Glm4", "llama3", "glm4",
                   dict(head_dim=32, attention_bias=True, bos_token_id=317, eos_token_id=319, rope_parameters=dict(
                       rope_type="default", rope_theta=10_000.0, partial_rotary_factor=0.5)), takes_widths=False),
    "qwen3moe": Family("Qwen3Moe", "qwen2", "qwen3moe",
                       dict(EXPERTS, head_dim=64, num_experts=12, moe_intermediate_size=EXPERT_CHANNELS, norm_topk_prob=True,
                            bos_token_id=None, eos_token_id=319), takes_widths=False),
    # llama.cpp wants a norm of keys as wide as the hidden size.
    "olmoe": Family("Olmoe", "llama3", "olmoe",
                    dict(EXPERTS, num_key_value_heads=8, num_experts=12, intermediate_size=EXPERT_CHANNELS, norm_topk_prob=False,
                         bos_token_id=317, eos_token_id=319), takes_widths=False, uniform="all-heads.yaml"),
    "mixtral": Family("Mixtral", "sentencepiece", "llama",
                      dict(EXPERTS, num_local_experts=12, intermediate_size=EXPERT_CHANNELS, bos_token_id=1, eos_token_id=2),
                      takes_widths=False),
    # With yarn as llama.cpp rounds it. `model.save_pretrained` writes it as it is.
    "gptoss": Family("GptOss", "qwen2", None,
                     dict(EXPERTS, num_local_experts=12, intermediate_size=EXPERT_CHANNELS, head_dim=64, sliding_window=40,
                          num_hidden_layers=4, bos_token_id=None, eos_token_id=319, rope_parameters=dict(
                              rope_type="yarn", rope_theta=10_000.0, factor=2.0, beta_fast=32.0, beta_slow=1.0,
                              original_max_position_embeddings=128, truncate=True)), takes_widths=False),
}

# A space for loaders that take one width for all layers, and no fewer heads.
ALL_HEADS = """name: all-heads
layers: shared
attention:
  minimum: 1.0
scores: [wanda-sp, llm-bip]
"""


# The same with experts of fewer channels.
NARROWER = """name: narrower
layers: shared
attention:
  minimum: 1.0
mlp:
  expert_channels: 160
scores: [wanda-sp, llm-bip]
"""


# ---- networks

def train(family, steps=160, batch=8, length=64, seed=26):
    """From weights whose attention is far from uniform, so that in the end positions, norms and biases all matter."""
    kind = FAMILIES[family]
    tokenizer, _ = make_fixtures.make_tokenizer(kind.tokenizer)
    torch.manual_seed(seed)
    config = getattr(transformers, kind.class_name + "Config")(**{**COMMON, **kind.settings})
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    make_fixtures.random_weights(model, seed)
    if expert_files.experts(config):
        model.set_experts_implementation("eager")  # several times as fast as the others on a processor
    tokens = torch.tensor(tokenizer.encode(texts()).ids)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    for _ in range(steps):
        starts = torch.randint(0, len(tokens) - length, (batch,))
        ids = torch.stack([tokens[start:start + length] for start in starts])
        loss = model(ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def texts():
    with open(TEXT, encoding="utf-8") as file:
        result = [file.read()]
    with open(NOTES, encoding="utf-8") as file:
        return "\n\n".join(result + [json.loads(line)["text"] for line in file])


def save(model, family, folder, shard_size="1GB"):
    """A folder in bfloat16, as most checkpoints are, with the family's tokenizer; `model` itself stays as it is."""
    state = {name: tensor.bfloat16() for name, tensor in model.state_dict().items()
             if not (name == "lm_head.weight" and model.config.tie_word_embeddings)}
    model.config.dtype = torch.bfloat16
    model.save_pretrained(folder, state_dict=state, max_shard_size=shard_size)
    tokenizer, settings = make_fixtures.make_tokenizer(FAMILIES[family].tokenizer)
    make_fixtures.tokenizer_files.write(tokenizer, folder, settings)


def edit_config(folder, change):
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    change(config)
    make_fixtures.write_json(path, config)


# ---- formats

@dataclass
class Checkpoint:
    path: str  # what nas-search is given
    twin_folder: str  # the same weights for transformers
    twin_gguf: str | None  # the same weights for llama.cpp, in F32; None where it has no such network
    window: int = 128
    gguf_window: int = 128
    space: str = "widths"
    takes_widths: bool = True  # whether a GGUF takes layers of different widths
    expert_channels: int = EXPERT_CHANNELS  # what subnets have

    @property
    def formats(self):
        """Those that subnets can be written in."""
        return ["hf"] if self.space == "widths" and not self.takes_widths else ["hf", "gguf"]


def write_gguf(folder, path, architecture, kind=Type.F32):
    config, tensors = gguf_files.load_folder(folder)
    gguf_files.write(path, config, tensors, architecture, kind, folder)


def plain(folder, family, place):
    """A folder that both references can be run on as it stands."""
    kind = FAMILIES[family]
    twin = os.path.join(place, "twin.gguf") if kind.architecture else None
    if twin:
        write_gguf(folder, twin, kind.architecture)
    return Checkpoint(folder, folder, twin, gguf_window=kind.gguf_window, takes_widths=kind.takes_widths)


def shards(base, family, place):
    folder = os.path.join(place, "shards")
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    save(model, family, folder, shard_size="700KB")
    assert os.path.exists(os.path.join(folder, "model.safetensors.index.json"))
    return plain(folder, family, place)


def f16(base, family, place):
    path = os.path.join(place, "f16.gguf")
    write_gguf(base, path, FAMILIES[family].architecture, Type.F16)
    return with_twins(path, base, family, place)


def split(base, family, place):
    whole = f16(base, family, place)
    rewrite(whole.path, os.path.join(place, "split.gguf"), lambda name, values, kind: (values, kind), most=7)
    parts = sorted(name for name in os.listdir(place) if name.startswith("split-"))
    assert len(parts) > 2, parts
    os.remove(whole.path)
    whole.path = os.path.join(place, parts[0])
    return whole


def quantised(kind, finer):
    """All matrices in blocks of a type, and those that llama.cpp's mixtures spare in a finer one."""
    def spared(name):
        return name in ("output.weight", "token_embd.weight") or ".ffn_down" in name or ".attn_v." in name

    def encode(name, values, old):
        if values.ndim < 2 or ".ffn_gate_inp." in name:
            return values, old
        target = finer if spared(name) else kind
        return quantize(values.reshape(-1, values.shape[-1]), target).reshape(*values.shape[:-1], -1), target

    def make(base, family, place):
        wide = os.path.join(place, "wide.gguf")
        write_gguf(base, wide, FAMILIES[family].architecture)
        path = os.path.join(place, f"{kind.name}.gguf")
        rewrite(wide, path, encode)
        os.remove(wide)
        return with_twins(path, base, family, place)

    return make


def rewrite(source, target, encode, most=0):
    """A GGUF with the same keys and other tensors; `encode`: name, values, type → values, type. `most`: tensors in a file."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture, split_max_tensors=most)
    for name, entry in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            writer.add_key_value(name, entry.contents(), entry.types[0], entry.types[-1] if len(entry.types) > 1 else None)
    for tensor in reader.tensors:
        values, kind = encode(tensor.name, tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def with_twins(path, base, family, place):
    """The package gguf decodes the blocks; transformers gets the values under its own names."""
    twin_gguf, twin_folder = os.path.join(place, "twin.gguf"), os.path.join(place, "twin")
    meant = {}

    def decode(name, values, kind):
        meant[name] = np.array(gguf.quants.dequantize(values, kind), np.float32)
        return meant[name], Type.F32

    rewrite(path, twin_gguf, decode)
    config, stored = gguf_files.load_folder(base)
    shutil.copytree(base, twin_folder, ignore=shutil.ignore_patterns("*.safetensors*"))
    edit_config(twin_folder, lambda settings: settings.update(dtype="float32"))
    tensors = {name: torch.from_numpy(from_gguf(name, meant, config, FAMILIES[family].architecture)) for name in stored}
    save_file(tensors, os.path.join(twin_folder, "model.safetensors"), metadata={"format": "pt"})
    return Checkpoint(path, twin_folder, twin_gguf, takes_widths=FAMILIES[family].takes_widths)


def from_gguf(name, tensors, config, architecture):
    """One tensor by the name and with the order of rows of Hugging Face."""
    outside = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
               "lm_head.weight": "output.weight"}
    if name in outside:
        return tensors[outside[name]] - (gguf_files.gain_offset(architecture) if "norm" in name else 0)
    stack, expert = expert_files.stack_of(name) or (name, None)
    _, _, layer, part = stack.split(".", 3)
    values = tensors[f"blk.{layer}.{gguf_files.tensor_names(architecture)[part]}"]
    if expert is not None:
        return np.ascontiguousarray(values[expert])
    if "norm" in part:
        values = values - gguf_files.gain_offset(architecture)
    if not gguf_files.keeps_rows(architecture) and (".q_proj." in part or ".k_proj." in part):
        heads = config["num_attention_heads" if ".q_proj." in part else "num_key_value_heads"]
        shape = values.shape
        values = values.reshape(heads, shape[0] // heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)
    return np.ascontiguousarray(values)


FORMATS = {
    "HF, one file": plain,
    "HF, shards": shards,
    "GGUF F16": f16,
    "GGUF Q8_0": quantised(Type.Q8_0, Type.Q8_0),
    "GGUF Q4_K": quantised(Type.Q4_K, Type.Q6_K),
    "GGUF IQ4_NL": quantised(Type.IQ4_NL, Type.Q6_K),
    "GGUF split": split,
}


# ---- variants of a Hugging Face folder

def rope(scaling, context=256, window=128, gguf_window=None):
    def make(base, family, place):
        folder = os.path.join(place, "folder")
        shutil.copytree(base, folder)

        def change(config):
            theta = config["rope_parameters"]["rope_theta"]
            config.update(max_position_embeddings=context, rope_parameters={**scaling, "rope_theta": theta})

        edit_config(folder, change)
        result = plain(folder, family, place)
        result.window, result.gguf_window = window, gguf_window or window
        return result

    return make


def float8(base, family, place):
    """Projections in blocks of 128 x 128 as DeepSeek's checkpoints have them; the twin holds what they mean."""
    config, tensors = gguf_files.load_folder(base)
    stored, meant = {}, {}
    for name, weight in tensors.items():
        if name.endswith("_proj.weight"):
            blocks = weight.unflatten(1, (-1, 128)).unflatten(0, (-1, 128))
            scales = blocks.abs().amax((1, 3)) / 448
            whole = scales.repeat_interleave(128, 0).repeat_interleave(128, 1)
            stored[name], stored[name + "_scale_inv"] = (weight / whole).to(torch.float8_e4m3fn), scales
            meant[name] = stored[name].float() * whole
        else:
            stored[name] = weight.bfloat16()
            meant[name] = weight
    folder, twin = os.path.join(place, "float8"), os.path.join(place, "meant")
    for target, values in ((folder, stored), (twin, meant)):
        shutil.copytree(base, target, ignore=shutil.ignore_patterns("*.safetensors*"))
        save_file({name: value.contiguous() for name, value in values.items()},
                  os.path.join(target, "model.safetensors"), metadata={"format": "pt"})
    edit_config(folder, lambda settings: settings.update(quantization_config={
        "quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic", "fmt": "e4m3"}))
    edit_config(twin, lambda settings: settings.update(dtype="float32"))
    result = plain(twin, family, place)
    result.path = folder
    return result


def alike(make):
    """The same, searched for one width of all layers: exports are then of stock classes."""
    def searched(base, family, place):
        result = make(base, family, place)
        result.space = FAMILIES[family].uniform
        if result.space != "uniform":
            result.space = os.path.join(place, result.space)
            with open(result.space, "w", encoding="utf-8") as file:
                file.write(ALL_HEADS)
        return result

    return searched


def narrower(base, family, place):
    """One number of experts for all layers, and experts of fewer channels."""
    result = plain(base, family, place)
    result.space, result.expert_channels = os.path.join(place, "narrower.yaml"), 160
    with open(result.space, "w", encoding="utf-8") as file:
        file.write(NARROWER)
    return result


DYNAMIC = {"rope_type": "dynamic", "factor": 4.0}
LONGROPE = {"rope_type": "longrope", "short_factor": [1 + j / 32 for j in range(16)],
            "long_factor": [1 + j / 8 for j in range(16)]}  # 16 pairs of a head of 32
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}

VARIANTS = [
    *((family, "HF, all layers alike", alike(plain)) for family in FAMILIES),
    *((family, "HF, narrower experts", narrower) for family in ("qwen3moe", "olmoe", "mixtral")),
    ("qwen2", "HF, yarn, 128 of 64", rope(YARN)),
    ("qwen2", "HF, yarn, all layers alike", alike(rope(YARN))),
    ("mistral", "HF, yarn, 128 of 64", rope(YARN)),
    ("llama", "HF, dynamic, within 256", rope(DYNAMIC)),
    ("llama", "HF, dynamic, 128 of 64", rope(DYNAMIC, context=64, gguf_window=64)),
    # llama.cpp chooses by the context that it makes room for, 256 at least, and not by the length of the text.
    ("llama", "HF, longrope, 128 of 64", rope({**LONGROPE, "original_max_position_embeddings": 64})),
    ("llama", "HF, longrope, within 256", rope({**LONGROPE, "original_max_position_embeddings": 256}, context=512)),
    ("llama", "HF, longrope, all layers alike", alike(rope({**LONGROPE, "original_max_position_embeddings": 64}))),
    ("llama", "HF, llama3, 128 of 64", rope(LLAMA3)),
    ("llama", "HF, FP8 in blocks", float8),
]
