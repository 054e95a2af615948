"""What the kernel knows of a network: two tables of 64-bit numbers, sizes and addresses.

All sizes are numbers read at run time, and all arrays addresses, so one compiled kernel serves
every depth, width, schedule of dilations, batch and condition. Sizes of rows are in floats and
padded to whole vectors.
"""

# The network's table.
(
    NUM_LAYERS,
    LAYERS,  # the layers' tables, one after the other
    BATCH,
    RESIDUAL,
    GATE,  # channels of the gate's output; its input has twice as many
    SKIP,
    CONV,  # what the dilated convolutions read
    END,
    OUT,
    NARROWED,  # whether there is a bottleneck
    ZEROS,  # (CONV,), what the bottleneck starts from
    PRECISION,  # of the weights, see ``products``
    CHUNK,  # steps for which old taps are computed at once, a power of two
    CONDITION,  # channels of the local condition, 0 for none
    CONDITIONS,  # (steps, BATCH, CONDITION)
    CONDITIONS_FROM,  # the step of its first row
    GLOBAL,  # whether every row has gate offsets of its own
    TABLE,  # (codes, RESIDUAL), 0 for real-valued input
    FIRST,  # the first convolution's weights, 0 for none
    FIRST_BIAS,
    WINDOW,  # (BATCH, WINDOW_SIZE) inputs of the first convolution, oldest first
    WINDOW_SIZE,
    WINDOW_USED,  # without the padding
    AMPLITUDES,  # (codes, NUM_AMPLITUDES)
    NUM_AMPLITUDES,
    SKIP_BIAS,
    END_WEIGHT,
    END_BIAS,
    OUT_WEIGHT,
    OUT_BIAS,
    CODES,  # (BATCH,) int64, the current input
    VALUES,  # (BATCH,) float32, the current input of real-valued models
    ROWS,  # (BATCH, RESIDUAL + SKIP): what runs through the layers, and the sum of the skips
    ENTERED,  # (BATCH, CONV), where there is a bottleneck
    Y,  # (BATCH, 2 GATE)
    H,  # (BATCH, END)
    LOGITS,  # (BATCH, OUT)
    NOISE,  # (BATCH, NUM_NOISE)
    NUM_NOISE,
    FAMILY,
    MIXTURES,
    SEED,
    STEP,  # the next one
    PASSED,  # flag of the first thread: steps * NUM_LAYERS + layers of the current one
    DRAWN,  # flag of the second thread: steps whose samples are drawn
    *_,
) = range(64)
NETWORK_SIZE = 64

# A layer's table.
(
    DILATION,
    KERNEL,
    LOOK_AHEAD,  # steps for which this layer's old taps are known, at most CHUNK
    PHASE,  # moves the beginnings of chunks, so that not all layers' chunks fall together
    RING,  # (RING_ROWS, BATCH, CONV)
    RING_ROWS,
    GATES,  # (CHUNK, BATCH, 2 GATE): what is known of the gates' inputs beforehand
    GATE_BIAS,  # (2 GATE,), or (BATCH, 2 GATE) where GLOBAL
    CONDITION_WEIGHT,
    NARROW,
    PRESENT,
    OLD,  # one matrix for each older tap, 1 dilation back first
    OLD_BYTES,
    PROJECT,  # to the residual, the skips or both
    PROJECT_FROM,  # the column of ROWS where its outputs begin
    PROJECT_COLUMNS,
    SKIP_WEIGHT,  # where another thread adds the skips
    Z,  # (BATCH, GATE)
    KNOWN,  # flag of the second thread: steps for which GATES holds all that is known beforehand
    *_,
) = range(32)
LAYER_SIZE = 32
# What changes with each step lies in a cache line of its own, which the second thread seldom reads.
POSITION, KNOWN_UNTIL = 24, 25  # in the ring, of the current step; the first thread's last KNOWN

SOFTMAX, LOGISTIC, NORMAL = range(3)
