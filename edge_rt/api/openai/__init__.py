"""The routes of OpenAI's API, and those that other servers have beside them: rerank and tokens."""
