"""OmniLive: watches live streams, remembers them, answers with the moments it rests on."""

from omnilive._version import __version__

__all__ = ["__version__"]
