"""A mark in prompts."""

CUT = "\ufdd0"
"""Parts a prompt: what lies before and behind it is cut into tokens by itself, and the mark is not
read. So a control token that is written out across it is plain text. It is no character of Unicode.
"""
