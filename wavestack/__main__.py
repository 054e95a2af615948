"""`python -m wavestack` is the `wavestack` program."""

from wavestack.cli import main

if __name__ == "__main__":
    main()
