"""Reads trueup.yaml safely."""

from trueup.config.config import Config as Config
from trueup.config.config import load_config as load_config
