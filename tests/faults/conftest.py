"""Makes the modules beside this file known to the tests here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
