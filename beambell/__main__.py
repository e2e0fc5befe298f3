"""``python -m beambell`` is the command ``beambell``."""

from beambell.cli import main

if __name__ == "__main__":
    main()
