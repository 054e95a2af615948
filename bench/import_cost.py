"""What ``import wavestack.layers`` costs beside ``import torch``: python -m bench.import_cost

Fresh interpreters in turns; core-seconds of the whole process, median of the paired ratios.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from bench.common import ROOT, print_table, summarize, time_in_turns, write_result

STATEMENTS = {
    "torch": "import torch",
    "layers": "import wavestack.layers",
    "models": "import wavestack.models",
    "receptive_field": "import wavestack.receptive_field",
}


def _run(statement: str) -> None:
    subprocess.run([sys.executable, "-c", statement], check=True)


def main() -> None:
    """Measure, print a table, write bench/results/import_cost.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    functions = {
        name: lambda statement=statement: _run(statement) for name, statement in STATEMENTS.items()
    }
    seconds = time_in_turns(functions, repeats)
    figures, rows = {}, []
    for name, spent in seconds.items():
        figures |= summarize(f"import_{name}_core_seconds", spent)
        ratio = statistics.median(a / b for a, b in zip(spent, seconds["torch"], strict=True))
        if name != "torch":
            figures[f"import_{name}_ratio_to_torch"] = ratio
        rows.append((STATEMENTS[name], f"{statistics.median(spent):.2f}", f"{ratio:.3f}"))
    print_table(("statement", "core-seconds", "x import torch"), rows)
    print(write_result("import_cost", figures, {"repeats": repeats}).relative_to(ROOT))


if __name__ == "__main__":
    main()
