"""`python -m omnitornado`."""

import sys

from omnitornado.cli import main

if __name__ == "__main__":
    sys.exit(main())
