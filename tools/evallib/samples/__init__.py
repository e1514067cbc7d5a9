"""Checked samples: what is asked, what it takes, and what each way of choosing would answer."""
