"""The routes of our own: board, budget, ledger, plans, caches."""
