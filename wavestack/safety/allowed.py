"""The names that a `_target_` may have. Exact, public, one by one.

A wildcard is unsafe: `torch.*` holds `torch.load`, and any package that imports another hands it on
(`wavestack.x.torch.load`, `logging.os.system`). A class belongs here when constructing it with any
arguments whatever can neither write files nor run code.
"""

from __future__ import annotations

_WAVESTACK = {
    "data": (
        *("AudioData", "AudioFolder", "ClipData", "ESC10", "FSDD", "FeatureMasks", "LJSpeech"),
        *("SeriesData", "SoundAugmentation", "SyntheticAudio"),
        *("AddingProblem", "CopyMemory", "PianoRollFile", "PianoRolls", "SyntheticPianoRolls"),
        *("SequentialMNIST", "Text"),
        *("CamVid", "Cityscapes", "ImageMaskFolder", "IsbiEM", "OxfordPet", "PairAugmentation"),
        *("SegmentationData", "SyntheticShapes", "VOC"),
        *("ImageFolder", "SuperResolutionData"),
    ),
    "signal": ("LogMel", "LogMelFrontEnd", "WaveformFrontEnd"),
    "models": (
        *("AudioEffect", "DLinear", "PianoRollTCN", "SequenceClassifier", "TCN", "TCNForecaster"),
        *("SuperResolutionNet", "WaveNet"),
        *("DeepLabV3", "DeepLabV3Plus", "DilatedVGG", "FCN", "HDCNet", "LinkNet"),
    ),
    "layers": (
        *("CausalConv1d", "DilatedStack", "GatedResidualBlock", "LookaheadConv1d"),
        "TemporalBlock",
    ),
    "tasks": (
        *(
            "AddingTask",
            "AutoregressiveAudioTask",
            "CharacterTask",
            "ClassificationTask",
            "CopyMemoryTask",
        ),
        *("ForecastingTask", "PianoRollTask", "SegmentationTask", "SuperResolutionTask"),
    ),
    "training.muon": ("MuonAdamW",),
    "training.schedules": ("Constant", "OneCycle", "Poly", "WarmupCosine"),
}

_OPTIMIZERS = (
    *("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "LBFGS", "NAdam", "RAdam"),
    *("RMSprop", "Rprop", "SGD"),
)

# LambdaLR and its kind take functions, which a config has no business to make.
_SCHEDULERS = (
    *("ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR"),
    *("LinearLR", "MultiStepLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "StepLR"),
)

_MODULES = (
    *("BatchNorm1d", "BatchNorm2d", "Conv1d", "Conv2d", "Dropout", "ELU", "Flatten", "GELU"),
    *("GroupNorm", "Identity", "LayerNorm", "LeakyReLU", "Linear", "PReLU", "ReLU", "Sequential"),
    *("Sigmoid", "SiLU", "Softplus", "Tanh"),
)

ALLOWED: frozenset[str] = frozenset(
    [f"wavestack.{room}.{name}" for room, names in _WAVESTACK.items() for name in names]
    + [f"torch.optim.{name}" for name in _OPTIMIZERS]
    + [f"torch.optim.lr_scheduler.{name}" for name in _SCHEDULERS]
    + [f"torch.nn.{name}" for name in _MODULES]
)

# Packages with a list of their own above: trusting them as a whole would undo it.
ROOTS: frozenset[str] = frozenset({"wavestack", "torch", "builtins", "os", "sys", "importlib"})
