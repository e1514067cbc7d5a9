"""Counter-based randomness: every draw is a pure function of a seed and a position.

There is no state to save or to replay: whoever knows the seed and how many tokens have been drawn
continues the stream exactly, and no draw depends on what else is running. The mixer is the
finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014), a bijection of 64-bit words that passes BigCrush when fed a Weyl sequence.
"""

from __future__ import annotations

_WORD = (1 << 64) - 1
_WEYL = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
_FORK = 0x6A09E667F3BCC909  # keeps forked seeds apart from the words that are drawn


def uniform(seed: int, position: int) -> float:
    """The number in [0, 1) that belongs to `position` (from 0) of the stream `seed`.

    A multiple of 2^-53; seeds count modulo 2^64.
    """
    return (_mix(_mix(seed) + (position + 1) * _WEYL) >> 11) * 2.0**-53


def fork_seed(seed: int, index: int) -> int:
    """The seed of answer `index` to a request with `seed`; index 0 keeps the seed itself."""
    if index == 0:
        return seed
    return _mix(_mix(seed ^ _FORK) + index * _WEYL)


def _mix(word: int) -> int:
    word &= _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)
