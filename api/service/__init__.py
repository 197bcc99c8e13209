"""The gateway's domain: accept, send, follow, tell. It knows no HTTP."""
