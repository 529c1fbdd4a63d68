"""pyftpdlib's channels on an asyncio loop: bytes in, commands through dispatch, replies out in order."""
