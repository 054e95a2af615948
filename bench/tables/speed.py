"""What a user gains: the fastest way of each kind beside what is known."""

from __future__ import annotations

from bench.tables.form import markdown, recorded


def speed() -> str:
    """What a user gains: ours, and what stands beside it in the same run."""
    made, streamed, last, path = (
        recorded(name)[0]["figures"]
        for name in ("generation", "streaming", "last_output", "training_path")
    )

    def row(program: str, what: str, ours: float, peer: str, theirs: float, form: str) -> list[str]:
        ratio = max(ours, theirs) / min(ours, theirs)
        figures = [f"**{ours:{form}}**", f"{peer} {theirs:{form}}", f"{ratio:.3g}x"]
        return [what, *figures, f"`bench.{program}`"]

    rows = []
    for batch in (1, 16):
        what = f"WaveNet samples a core-second, {batch} at once"
        rate = f"batch_{batch}_samples_per_core_second"
        peers = {"ring_step": "plain torch ring step", "wavenet_vocoder": "wavenet_vocoder"}
        for name, peer in peers.items():
            if f"{name}_{rate}" in made:
                ours, theirs = made[f"compiled_{rate}"], made[f"{name}_{rate}"]
                rows.append(row("generation", what, ours, peer, theirs, ",.0f"))
    for block in (1, 64):
        what = f"a TCN streamed in blocks of {block}, µs a sample"
        ours = streamed[f"temporal_blocks_compiled_block_{block}_microseconds"]
        peer = f"temporal_blocks_pytorch_tcn_block_{block}_microseconds"
        if peer in streamed:
            rows.append(row("streaming", what, ours, "pytorch-tcn", streamed[peer], ",.1f"))
    ours, theirs = (
        streamed[f"nam_a1_{engine}_block_64_real_time_factor"] for engine in ("compiled", "eager")
    )
    what = "a guitar amplifier (A1 net) at 48 kHz, seconds of work a second"
    rows.append(row("streaming", what, ours, "torch", theirs, ".3f"))
    ours, theirs = (1e3 * last[f"adding_600_{n}_core_seconds"] for n in ("cone", "reference"))
    what = "training step of the adding problem, T = 600, ms"
    rows.append(row("last_output", what, ours, "pad and chomp", theirs, ".1f"))
    ours, theirs = (
        1e3 * path[f"1x16384_64ch_k2_kept_{n}_core_seconds"] for n in ("ours", "reference")
    )
    what = "training step of ten convolutions, 64 channels, 16,384 samples, ms"
    rows.append(row("training_path", what, ours, "`F.pad` and `conv1d`", theirs, ".1f"))
    return markdown(["what", "here", "beside", "ratio", "program"], rows)
