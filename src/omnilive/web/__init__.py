"""The server: HTTP, WebRTC and WebSocket, who may come in, and the page."""
