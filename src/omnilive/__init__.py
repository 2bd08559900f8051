"""OmniLive: watch and listen to live streams, remember them, answer with the moments it rests on."""

from omnilive._version import __version__

__all__ = ["__version__"]
