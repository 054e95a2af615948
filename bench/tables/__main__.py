"""Writes the tables into their pages, or checks them."""

from __future__ import annotations

import sys

from bench.common import ROOT
from bench.tables import PAGES, with_tables


def main() -> int:
    stale = []
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        written = with_tables(text)
        if written == text:
            continue
        stale.append(page)
        if "--check" not in sys.argv:
            path.write_text(written, encoding="utf-8")
    print(f"out of date: {', '.join(stale)}" if stale else "all tables are up to date")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
