"""Logits of every position from stock llama.cpp.

The PyPI wheel `xllamacpp` carries a complete, unmodified llama.cpp in one shared object and exports its C interface,
but its Python classes only offer a chat server. This file calls the C interface through ctypes: load a GGUF, tokenise,
decode one window, return all logits. The key/value cache is kept in F32 and flash attention is off, so that what is
compared is the model and not the precision of a cache.

The parameter structures of `llama.h` are not a stable interface. Only the leading members of the context's parameters
are named here and the rest is passed on untouched (the structures are larger than 16 bytes, so they travel in memory and
spare room at their end is harmless); before first use the defaults that the library returns are compared with what
`llama.h` documents, and a disagreement is an error instead of wrong numbers.
"""

import ctypes as c
import os

import numpy as np

F32_CACHE = 0  # GGML_TYPE_F32
FLASH_ATTENTION_OFF = 0


class ModelParams(c.Structure):
    """Passed on as the library filled it; nothing in it is changed."""

    _fields_ = [("opaque", c.c_uint8 * 512), ("alignment", c.c_void_p)]


class ContextParams(c.Structure):
    _fields_ = [
        ("n_ctx", c.c_uint32),
        ("n_batch", c.c_uint32),
        ("n_ubatch", c.c_uint32),
        ("n_seq_max", c.c_uint32),
        ("n_rs_seq", c.c_uint32),
        ("n_outputs_max", c.c_uint32),
        ("n_outputs_max_per_seq", c.c_uint32),
        ("n_threads", c.c_int32),
        ("n_threads_batch", c.c_int32),
        ("ctx_type", c.c_int),
        ("rope_scaling_type", c.c_int),
        ("pooling_type", c.c_int),
        ("attention_type", c.c_int),
        ("flash_attn_type", c.c_int),
        ("rope_freq_base", c.c_float),
        ("rope_freq_scale", c.c_float),
        ("yarn_ext_factor", c.c_float),
        ("yarn_attn_factor", c.c_float),
        ("yarn_beta_fast", c.c_float),
        ("yarn_beta_slow", c.c_float),
        ("yarn_orig_ctx", c.c_uint32),
        ("defrag_thold", c.c_float),
        ("cb_eval", c.c_void_p),
        ("cb_eval_user_data", c.c_void_p),
        ("type_k", c.c_int),
        ("type_v", c.c_int),
        ("rest", c.c_uint8 * 512),  # differs between releases; passed on as the library filled it
        ("alignment", c.c_void_p),
    ]


class Batch(c.Structure):
    _fields_ = [
        ("n_tokens", c.c_int32),
        ("token", c.POINTER(c.c_int32)),
        ("embd", c.POINTER(c.c_float)),
        ("pos", c.POINTER(c.c_int32)),
        ("n_seq_id", c.POINTER(c.c_int32)),
        ("seq_id", c.POINTER(c.POINTER(c.c_int32))),
        ("logits", c.POINTER(c.c_int8)),
    ]


LOG_CALLBACK = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)


class LlamaCppError(Exception):
    pass


def _load_library():
    try:
        import xllamacpp
    except ImportError as error:
        raise LlamaCppError("the Python package xllamacpp is not installed (Tests/checks/requirements.txt)") from error
    folder = os.path.dirname(xllamacpp.__file__)
    name = next((n for n in sorted(os.listdir(folder)) if n.startswith("xllamacpp") and n.endswith(".so")), None)
    if name is None:
        raise LlamaCppError(f"no shared object in {folder}")
    lib = c.CDLL(os.path.join(folder, name))

    def declare(function, result, *arguments):
        getattr(lib, function).restype = result
        getattr(lib, function).argtypes = list(arguments)

    pointer = c.c_void_p
    declare("llama_log_set", None, LOG_CALLBACK, pointer)
    declare("llama_backend_init", None)
    declare("llama_model_default_params", ModelParams)
    declare("llama_context_default_params", ContextParams)
    declare("llama_model_load_from_file", pointer, c.c_char_p, ModelParams)
    declare("llama_model_free", None, pointer)
    declare("llama_model_get_vocab", pointer, pointer)
    declare("llama_model_desc", c.c_int32, pointer, c.c_char_p, c.c_size_t)
    declare("llama_init_from_model", pointer, pointer, ContextParams)
    declare("llama_free", None, pointer)
    declare("llama_vocab_n_tokens", c.c_int32, pointer)
    declare("llama_vocab_get_add_bos", c.c_bool, pointer)
    declare("llama_vocab_get_add_eos", c.c_bool, pointer)
    declare("llama_vocab_bos", c.c_int32, pointer)
    declare("llama_tokenize", c.c_int32, pointer, c.c_char_p, c.c_int32, c.POINTER(c.c_int32), c.c_int32, c.c_bool,
            c.c_bool)
    declare("llama_detokenize", c.c_int32, pointer, c.POINTER(c.c_int32), c.c_int32, c.c_char_p, c.c_int32, c.c_bool,
            c.c_bool)
    declare("llama_batch_init", Batch, c.c_int32, c.c_int32, c.c_int32)
    declare("llama_batch_free", None, Batch)
    declare("llama_decode", c.c_int32, pointer, Batch)
    declare("llama_get_logits_ith", c.POINTER(c.c_float), pointer, c.c_int32)
    declare("llama_get_memory", pointer, pointer)
    declare("llama_memory_clear", None, pointer, c.c_bool)
    declare("ggml_quantize_chunk", c.c_size_t, c.c_int, pointer, pointer, c.c_int64, c.c_int64, c.c_int64, pointer)
    return lib


def _check_layout(lib):
    """The documented defaults must stand where this file's structures say they stand."""
    context = lib.llama_context_default_params()
    found = {
        "n_ctx": context.n_ctx, "n_batch": context.n_batch, "n_ubatch": context.n_ubatch,
        "rope_scaling_type": context.rope_scaling_type, "pooling_type": context.pooling_type,
        "attention_type": context.attention_type, "flash_attn_type": context.flash_attn_type,
        "type_k": context.type_k, "type_v": context.type_v,
    }
    documented = {
        "n_ctx": 512, "n_batch": 2048, "n_ubatch": 512, "rope_scaling_type": -1, "pooling_type": -1,
        "attention_type": -1, "flash_attn_type": -1, "type_k": 1, "type_v": 1,
    }
    wrong = {key: (found[key], documented[key]) for key in documented if found[key] != documented[key]}
    if wrong:
        raise LlamaCppError(f"llama.cpp's parameter structures differ from those in stock_llama_cpp.py: {wrong}; "
                            "install the version in Tests/checks/requirements.txt")


_library = None
_messages = []


@LOG_CALLBACK
def _log(_level, text, _data):
    _messages.append(text.decode("utf-8", "replace"))


def library():
    global _library
    if _library is None:
        lib = _load_library()
        lib.llama_log_set(_log, None)
        lib.llama_backend_init()
        _check_layout(lib)
        _library = lib
    return _library


def version():
    from importlib.metadata import version as installed

    return f"xllamacpp {installed('xllamacpp')}"


def quantize(rows, kind, importance=None):
    """Float32 [rows, columns] in blocks of a type (gguf.GGMLQuantizationType), by llama.cpp's own encoder.

    `importance` says how much the squared error of each column counts (an "importance matrix"). The result is uint8
    [rows, bytes of a row]. The wheel has no `llama_model_quantize`, which calls the same encoder.
    """
    from gguf import GGML_QUANT_SIZES

    size, block_bytes = GGML_QUANT_SIZES[kind]
    count, columns = rows.shape
    if columns % size:
        raise LlamaCppError(f"rows of {columns} do not divide into blocks of {size} ({kind.name})")
    source = np.ascontiguousarray(rows, np.float32)
    result = np.empty((count, columns // size * block_bytes), np.uint8)
    weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
    written = library().ggml_quantize_chunk(
        int(kind), source.ctypes.data, result.ctypes.data, 0, count, columns,
        None if weights is None else weights.ctypes.data)
    if written != result.nbytes:
        raise LlamaCppError(f"ggml_quantize_chunk wrote {written} bytes of {kind.name}, expected {result.nbytes}")
    return result


class LlamaCpp:
    """One GGUF, opened by llama.cpp, with a context of `context_length` tokens."""

    def __init__(self, path, context_length=512, threads=2):
        self.lib = library()
        self.context = self.model = None
        _messages.clear()
        params = self.lib.llama_model_default_params()
        self.model = self.lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self.model:
            raise LlamaCppError(f"llama.cpp does not load {path}: " + self._last_errors())
        params = self.lib.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = context_length
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = FLASH_ATTENTION_OFF
        params.type_k = params.type_v = F32_CACHE
        self.context_length = context_length
        self.context = self.lib.llama_init_from_model(self.model, params)
        if not self.context:
            raise LlamaCppError(f"llama.cpp makes no context for {path}: " + self._last_errors())
        self.vocabulary = self.lib.llama_model_get_vocab(self.model)
        self.vocabulary_size = self.lib.llama_vocab_n_tokens(self.vocabulary)
        self.adds_bos = self.lib.llama_vocab_get_add_bos(self.vocabulary)

    @staticmethod
    def _last_errors():
        lines = [line.strip() for line in "".join(_messages).splitlines()]
        return " | ".join([line for line in lines if "error" in line.lower() or "wrong" in line.lower()][-3:] or lines[-3:])

    def tokenize(self, text, add_special=True, parse_special=False):
        data = text if isinstance(text, bytes) else text.encode("utf-8")
        room = len(data) + 16
        tokens = (c.c_int32 * room)()
        count = self.lib.llama_tokenize(self.vocabulary, data, len(data), tokens, room, add_special, parse_special)
        if count < 0:
            raise LlamaCppError(f"llama_tokenize failed with {count}")
        return list(tokens[:count])

    def logits(self, tokens):
        """Float32 logits [len(tokens), vocabulary] of one sequence that starts at position 0."""
        if not 0 < len(tokens) <= self.context_length:
            raise LlamaCppError(f"{len(tokens)} tokens do not fit a context of {self.context_length}")
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
        batch = self.lib.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for i, token in enumerate(tokens):
                batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(token), i, 1, 1
                batch.seq_id[i][0] = 0
            status = self.lib.llama_decode(self.context, batch)
            if status != 0:
                raise LlamaCppError(f"llama_decode failed with {status}: " + self._last_errors())
            rows = np.empty((len(tokens), self.vocabulary_size), np.float32)
            for i in range(len(tokens)):
                row = self.lib.llama_get_logits_ith(self.context, i)
                rows[i] = np.ctypeslib.as_array(row, (self.vocabulary_size,))
            return rows
        finally:
            self.lib.llama_batch_free(batch)

    def close(self):
        if self.context:
            self.lib.llama_free(self.context)
        if self.model:
            self.lib.llama_model_free(self.model)
        self.context = self.model = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
