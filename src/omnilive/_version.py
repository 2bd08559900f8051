"""The version, read by the build and by `omnilive --version`."""

__version__ = "0.1.0"
