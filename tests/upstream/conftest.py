"""The wire of tests/mcp serves here as well."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "mcp"))
