"""Clients of servers that the user chose: what is sent leaves this process, nothing else does."""

from omnilive.remote.chat import ChatClient, ChatConfig, Message

__all__ = ["ChatClient", "ChatConfig", "Message"]
