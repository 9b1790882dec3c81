"""`python -m skillbank.cli` is `skillbank`."""

from skillbank.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
