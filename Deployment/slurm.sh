#!/bin/bash
# A shared search on a Slurm cluster: the first task searches, the others evaluate, and any of them may die or be preempted.
#
#   STUDY='postgresql://me@dbhost/studies#qwen' MODEL=/shared/qwen sbatch --array=0-15 Deployment/slurm.sh
#
# Nodes with different processors need a program from `make build PORTABLE=1`. Passwords belong in ~/.pgpass. All nodes must see MODEL; each gathers the calibration statistics once, into its cache.
#SBATCH --job-name=nas-search
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
set -eu

: "${STUDY:?postgresql://USER@HOST/DATABASE#NAME}" "${MODEL:?folder or .gguf}"
export NAS_SEARCH_CACHE="${NAS_SEARCH_CACHE:-${TMPDIR:-/tmp}/nas-search-$USER}"

if [ "${SLURM_ARRAY_TASK_ID:-0}" -eq 0 ]; then
  command=(nas-search --model "$MODEL" --study "$STUDY" --budget "${BUDGET:-500}")
else
  command=(nas-search worker "$STUDY" --model "$MODEL" --wait 3600)
fi
# On SIGTERM, before the time is up, both give back what they were evaluating; the trap ends a wait, so it is waited again.
"${command[@]}" &
child=$!
trap 'kill -TERM "$child"' TERM
code=0
wait "$child" || code=$?
while kill -0 "$child" 2>/dev/null; do
  code=0
  wait "$child" || code=$?
done
exit "$code"
