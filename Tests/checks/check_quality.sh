#!/usr/bin/env bash
# Compares the best subnet of a search with uniform Wanda-SP without repair at the same size, on text that neither saw.
#
#   Tests/checks/check_quality.sh MODEL CALIBRATION.txt UNSEEN.txt [KEEP] [BUDGET] [FOLDER]
#
# Exits 1 if the ratio of the perplexities is above 0.80.
set -euo pipefail

model=$1 calibration=$2 unseen=$3 keep=${4:-0.8} budget=${5:-100} folder=${6:-runs/quality}
tool=${NAS_SEARCH:-.build/release/nas-search}
windows=${CALIBRATION_WINDOWS:-64}
limit=${WINDOWS:+--windows $WINDOWS}

common=(--model "$model" --keep "$keep" --calibration "$calibration" --calibration-windows "$windows")
"$tool" "${common[@]}" --budget "$budget" --study "$folder/search"
"$tool" "${common[@]}" --budget 40 --space uniform --scores wanda-sp --repair none --study "$folder/uniform"
"$tool" export "$folder/search" --point best --format hf --dtype f32 --output "$folder/search-hf" --replace
"$tool" export "$folder/uniform" --point best --repair none --format hf --dtype f32 --output "$folder/uniform-hf" --replace

for name in search uniform; do
  "$tool" evaluate --model "$folder/$name-hf" --text "$unseen" --window-length 512 --dense "$model" $limit --json \
    > "$folder/$name.json"
done
python3 - "$folder" <<'PYTHON'
import json, sys

folder = sys.argv[1]
found, uniform = (json.load(open(f"{folder}/{name}.json")) for name in ("search", "uniform"))
for label, run in (("search", found), ("uniform Wanda-SP, no repair", uniform)):
    line = run["measurements"][0]
    print(
        f"{label}: {run['model']['block_parameters']} block parameters, perplexity {line['perplexity']:.2f}, "
        f"dense {line['dense_perplexity']:.2f}, {line['windows']} windows of {line['window']}"
    )
ratio = found["measurements"][0]["perplexity"] / uniform["measurements"][0]["perplexity"]
print(f"ratio {ratio:.3f} (at most 0.80 wanted)")
sys.exit(ratio > 0.80)
PYTHON
