"""YAML as CI systems read it, by YAML 1.2: `on` is a key, and no truth value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def read_yaml(file: Path) -> Any:
    """Return what a YAML file holds."""
    return YAML(typ="safe", pure=True).load(file)
