"""The ledger: what each request took, and what each day took."""
