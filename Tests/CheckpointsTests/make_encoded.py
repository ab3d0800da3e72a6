"""Writes Fixtures/encoded.gguf: values, and the blocks to which stock llama.cpp rounds them.

    pip install numpy gguf xllamacpp
    python make_encoded.py

For each type there is TYPE, rounded without importance, and TYPE.weighted, rounded with the vector `importance`. The
output is deterministic.
"""

import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))
import stock_llama_cpp  # noqa: E402

KINDS = [Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.Q4_K, Type.Q5_K, Type.Q6_K]
COLUMNS = 768

random = np.random.default_rng(41)
rows = np.stack([
    random.normal(0, 0.03, COLUMNS),
    random.standard_t(3, COLUMNS) * 0.02,  # outliers
    np.where(random.random(COLUMNS) < 0.5, 0, random.normal(0, 1, COLUMNS)) * np.repeat([1e-9, 1e-6, 100], 256),
    np.concatenate([np.zeros(256), np.full(256, 0.3), random.random(256) + 0.5]),  # nothing, one value, positive ones
]).astype(np.float32)
importance = (random.random(COLUMNS) ** 4 * 3 + 1e-4).astype(np.float32)

writer = gguf.GGUFWriter(Path(__file__).parent / "Fixtures" / "encoded.gguf", "llama")
writer.add_tensor("values", rows)
writer.add_tensor("importance", importance)
for kind in KINDS:
    writer.add_tensor(kind.name, stock_llama_cpp.quantize(rows, kind), raw_dtype=kind)
    writer.add_tensor(f"{kind.name}.weighted", stock_llama_cpp.quantize(rows, kind, importance), raw_dtype=kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
