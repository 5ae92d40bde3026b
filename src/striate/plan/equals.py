"""The rule of one standard error: what is not behind the best by more is its equal, and the simpler one is taken.

Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3.
"""


def is_equal(behind: float, error: float) -> bool:
    """Whether something is no worse than the best, as far as can be told.

    Args:
        behind: how far it is behind the best, on the same samples.
        error: the standard error of that.
    """
    return behind <= error


def equal_words(behind: float, error: float, why: str) -> str:
    """The end of a because, where an equal is taken in place of the best.

    >>> equal_words(0.01, 0.02, "cheaper")
    '; 0.010 behind, within a standard error of 0.020, and cheaper'
    """
    return f"; {behind:.3f} behind, within a standard error of {error:.3f}, and {why}"
