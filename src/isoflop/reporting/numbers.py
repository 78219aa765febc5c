"""Numbers as a report prints them: losses with every digit they have, shares and errors in percent."""

from __future__ import annotations

from isoflop.quantities import Estimate, format_number


def loss_text(value: float) -> str:
    """A loss in four significant digits, zeros at the end included.

    Example:
        >>> loss_text(1.29), loss_text(0.87)
        ('1.290', '0.8700')
    """
    return f"{value:#.4g}" if 1e-3 <= abs(value) < 1e4 else format_number(value, 4)


def bounds_text(estimate: Estimate) -> str:
    """The interval of a loss as `[low, high]`, a missing bound as `open`, nothing where there is no interval."""
    if estimate.low is None and estimate.high is None:
        return ""
    return f"[{', '.join('open' if bound is None else loss_text(bound) for bound in (estimate.low, estimate.high))}]"


def bracketed(estimate: Estimate) -> str:
    """A loss with its interval.

    Example:
        >>> bracketed(Estimate(1.3, 1.25, None))
        '1.300 [1.250, open]'
    """
    return f"{loss_text(estimate.value)} {bounds_text(estimate)}".rstrip()


def percent(share: float) -> str:
    """A share in percent, two significant digits or two decimals.

    Example:
        >>> percent(0.0031), percent(0.0124), percent(0.124)
        ('0.31%', '1.2%', '12%')
    """
    decimals = 0 if share >= 0.0995 else 1 if share >= 0.00995 else 2
    return f"{100.0 * share:.{decimals}f}%"


def error_text(error: float) -> str:
    """A relative error in percent with its sign, the minus as long as the plus.

    Example:
        >>> error_text(-0.0091)
        '−0.91%'
    """
    return f"{100.0 * error:+.2f}%".replace("-", "−")
