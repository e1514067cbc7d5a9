"""OpenAI's Responses API: its requests become those of chats, and events become its documents."""
