"""What the text of an answer must be: grammars, compiled by llguidance, and their token masks.

llguidance (https://github.com/guidance-ai/llguidance) parses with an Earley parser over a lexer of
derivatives of regular expressions, and walks a prefix tree of the vocabulary to find the tokens
that a text may go on with.
"""
