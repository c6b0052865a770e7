"""The function packages read their settings when they are imported."""

import os

os.environ.setdefault("CANCEL_STORAGE", "UseDevelopmentStorage=true")
