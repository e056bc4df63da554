"""``python -m bidsmask``."""

from bidsmask.cli.main import run

if __name__ == "__main__":
    run()
