#!/usr/bin/env bash
# Runs the fuzzers and prints a table. `make fuzz` calls it.
#
# usage: run.sh FUZZ-READERS RUNS [READER…]
#
# RUNS is the number of executions over all readers; each gets its share, so that none takes much longer than the others. What
# breaks a rule is kept in Fuzz/found/ and makes the exit status 1. Two readers run at the same time.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
total=$2
shift 2

# Executions of each reader out of 1000, by how fast it is and how much there is to reach.
declare -A share=(
  [json]=150 [tokenizer-json]=110 [safetensors]=130 [safetensors-index]=60 [gguf]=160 [config]=120 [tokenizer]=60
  [search-space]=40 [text]=60 [calibration]=50 [address]=56 [study]=4
)
readers=("$@")
[ ${#readers[@]} -gt 0 ] || mapfile -t readers < <("$program" list)
limit=4096  # bytes of an input; a study's rows are longer

# Inputs are files: in memory, where there is a file system for that.
scratch=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" fuzz-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch/tmp SWIFT_BACKTRACE=enable=no
mkdir -p "$scratch/tmp" Fuzz/found

fuzz() {
  local reader=$1 runs=$2 folder=$scratch/$1 size=$limit status=0
  mkdir -p "$folder/corpus"
  [ "$reader" != study ] || size=16384
  "$program" seeds "$reader" "$folder/seeds" "$folder/words"
  # A hang is an input that takes more than 10 s. Memory of one input is checked by the program itself.
  nice -n 10 "$program" "$reader" -runs="$runs" -timeout=10 -rss_limit_mb=1024 -max_len=$size -dict="$folder/words" \
    -artifact_prefix="Fuzz/found/$reader-" -print_final_stats=1 "$folder/corpus" "$folder/seeds" \
    >"$folder/log" 2>&1 || status=$?
  echo $status >"$folder/status"
  awk -v reader="$reader" -v status="$status" '
    / ft: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cover = $(i + 1); if ($i == "ft:") features = $(i + 1) } }
    /stat::number_of_executed_units/ { runs = $2 }
    /stat::peak_rss_mb/ { memory = $2 }
    /^(VIOLATION|==.*ERROR)/ { found++ }
    / in [0-9]+ second/ { seconds = $(NF - 1) }
    END { printf "%-18s %10d %8d %9d %8s %11d %8d\n", reader, runs, cover, features, seconds == "" ? "?" : seconds, memory, status != 0 }
  ' "$folder/log"
  if [ $status != 0 ]; then grep -aE 'VIOLATION|ERROR|Test unit|SUMMARY' "$folder/log" | head -n 5 || true; fi
}

printf '%-18s %10s %8s %9s %8s %11s %8s\n' reader executions edges features seconds 'peak MiB' crashes
begin=$(date +%s)
for reader in "${readers[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
  if [ $# = 1 ]; then runs=$total; else runs=$((total * ${share[$reader]:-10} / 1000)); fi
  fuzz "$reader" $((runs > 100 ? runs : 100)) &
done
wait
echo "$total executions asked for, $(($(date +%s) - begin)) s"
rmdir Fuzz/found 2>/dev/null || true
for reader in "${readers[@]}"; do [ "$(cat "$scratch/$reader/status")" = 0 ] || exit 1; done
