#!/bin/sh
# Trains each audio recipe on a GPU for about a minute, in bf16, with and without torch.compile, and
# once with deterministic algorithms; prints memory and samples per second and writes
# bench/results/gpu_training.json. Under nine minutes in all.
#
#   sh bench/gpu.sh [python]      (synthetic recordings stand in: only speed and memory are measured)
set -euf # f: the brackets below are no file patterns
cd "$(dirname "$0")/.."
PYTHON=${1:-python}
if ! "$PYTHON" -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
    echo "no CUDA device here: nothing was measured"
    exit 2
fi
RUNS=$(mktemp -d)
trap 'rm -rf "$RUNS"' EXIT

# Long recordings, so that every row of every batch is a whole segment.
synthetic() { # sample rate, labels
    echo "~data.source"
    echo "+data.source={_target_:wavestack.data.SyntheticAudio,sample_rate:$1,num_train:64,num_val:2,num_test:2,min_seconds:2.5,max_seconds:3.0$2}"
}

measure() { # name of the run, seconds allowed, recipe and its overrides
    name=$1 seconds=$2
    shift 2
    echo "== $name"
    timeout "$seconds" "$PYTHON" -m wavestack train "$@" "hydra.run.dir=$RUNS/$name" \
        data.batch_size=16 data.segment_samples=16384 data.num_workers=4 \
        trainer.device=cuda trainer.precision=bf16 trainer.num_threads=null \
        trainer.max_steps=100000 trainer.max_core_seconds="$CORE_SECONDS" \
        trainer.val_every_steps=null trainer.sample_every_steps=null trainer.sample_count=0 \
        trainer.checkpoint_every_steps=null trainer.log_every_steps=50 \
        || echo "$name: did not finish"
}

CORE_SECONDS=60 # of the process and its loader workers: about as many seconds on the clock
measure quickstart 80 recipe=quickstart $(synthetic 8000 "")
measure fsdd_wavenet 80 recipe=fsdd_wavenet $(synthetic 8000 ",label_sizes:[6,10]")
measure ljspeech_vocoder 80 recipe=ljspeech_vocoder $(synthetic 22050 "")
CORE_SECONDS=100 # compilation takes its share
measure quickstart_compiled 80 recipe=quickstart $(synthetic 8000 "") trainer.compile=true
measure fsdd_wavenet_compiled 80 recipe=fsdd_wavenet $(synthetic 8000 ",label_sizes:[6,10]") \
    trainer.compile=true
CORE_SECONDS=30
measure quickstart_deterministic 60 recipe=quickstart $(synthetic 8000 "") \
    trainer.deterministic=true
"$PYTHON" -m bench.gpu_results "$RUNS"
