"""Published measurements of language models on boards, and what an estimate says of each."""
