#!/bin/sh
# All that a GPU can show, in one call of under nine minutes: the tests that need one, generation by
# every engine with its checks, training steps, and three short trainings of recipes.
#
#   sh bench/gpu.sh [python]
#
# Results go to $OUT where that is set, else to bench/results. Each part has its own time limit and
# its own result file; one that fails or is missing something is said and does not stop the others.
# Exit status: 0 when all went well, 1 when a part failed, 2 without a CUDA device.
set -uf # f: the brackets below are no file patterns
cd "$(dirname "$0")/.." || exit 1
PYTHON=${1:-python}
if ! "$PYTHON" -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
    echo "no CUDA device here: nothing was measured, the GPU's rows stay empty"
    exit 2
fi
BENCH_RESULTS=${OUT:-bench/results}
export BENCH_RESULTS PYTHONUNBUFFERED=1
mkdir -p "$BENCH_RESULTS"
FAILED=""

part() { # name, seconds allowed, command
    name=$1 seconds=$2
    shift 2
    echo "== $name"
    started=$(date +%s)
    # The interrupt first: a program that is stopped by it still writes what it has.
    timeout -s INT -k 5 "$seconds" "$@" || FAILED="$FAILED $name"
    echo "== $name took $(($(date +%s) - started)) s"
}

has() { "$PYTHON" -c "import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))" "$@"; }

part generation 170 "$PYTHON" -m bench.generation_gpu
part tests 100 "$PYTHON" -m pytest -q -m gpu -W default \
    -p no:cacheprovider --continue-on-collection-errors tests/inference tests/training
part tuning 70 "$PYTHON" -m bench.generation_gpu --tune
part training 90 "$PYTHON" -m bench.training --device cuda --compile --repeats 7

RUNS=$(mktemp -d)
trap 'rm -rf "$RUNS"' EXIT

# Long recordings, so that every row of every batch is a whole segment.
synthetic() { # sample rate, labels
    echo "~data.source"
    echo "+data.source={_target_:wavestack.data.SyntheticAudio,sample_rate:$1,num_train:64,num_val:2,num_test:2,min_seconds:2.5,max_seconds:3.0$2}"
}

train() { # name of the run, seconds allowed, recipe and its overrides
    name=$1 seconds=$2
    shift 2
    part "$name" "$seconds" "$PYTHON" -m wavestack train "$@" "hydra.run.dir=$RUNS/$name" \
        data.batch_size=16 data.segment_samples=16384 data.num_workers=4 \
        trainer.device=cuda trainer.precision=bf16 trainer.num_threads=null \
        trainer.max_steps=100000 trainer.max_core_seconds="$CORE_SECONDS" \
        trainer.val_every_steps=null trainer.sample_every_steps=null trainer.sample_count=0 \
        trainer.checkpoint_every_steps=null trainer.log_every_steps=50
}

if has hydra omegaconf soundfile lightning; then
    CORE_SECONDS=20 # of the process and its loader workers: about as many seconds on the clock
    train fsdd_wavenet 35 recipe=fsdd_wavenet $(synthetic 8000 ",label_sizes:[6,10]")
    train ljspeech_vocoder 30 recipe=ljspeech_vocoder $(synthetic 22050 "")
    train quickstart_deterministic 30 recipe=quickstart $(synthetic 8000 "") \
        trainer.deterministic=true
    part recipes 5 "$PYTHON" -m bench.gpu_results "$RUNS"
else
    echo "== recipes: hydra-core, omegaconf, soundfile or lightning is not installed, not trained"
fi

[ -z "$FAILED" ] || { echo "failed:$FAILED"; exit 1; }
