"""Numbers as a reader wants them: percentages, points, dollars, counts."""

from skillrl_app.report.intervals import Interval


def percent(share: float) -> str:
    """0.714 -> "71%"."""
    return f"{100 * share:.0f}%"


def between(interval: Interval) -> str:
    """The bounds of a success rate, such as "62% to 79%"."""
    return f"{percent(interval.low)} to {percent(interval.high)}"


def points(difference: float) -> str:
    """0.23 -> "+23 points", with a true minus sign for a loss."""
    text = signed(difference)
    return f"{text} point" if text in ("+1", "\u22121") else f"{text} points"


def signed(difference: float) -> str:
    """0.23 -> "+23", in hundredths; 0 has no sign."""
    whole = round(100 * difference)
    return f"{whole:+d}".replace("-", "\u2212") if whole else "0"


def difference_text(interval: Interval) -> str:
    """Such as "+23 points (+12 to +34)"; says so where there is no spread."""
    if interval.low == interval.high:
        return f"{points(interval.estimate)} (every game alike, so no interval)"
    return f"{points(interval.estimate)} ({signed(interval.low)} to {signed(interval.high)})"


def count(value: float) -> str:
    """Thousands apart, decimals only where they say something: "12,345", "0.25"."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2g}"


def plural(n: int, noun: str) -> str:
    """1 -> "1 game", 2 -> "2 games"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def dollars(price: float | None) -> str:
    """Such as "$1.20"; an unknown price is called unknown."""
    if price is None:
        return "unknown"
    return f"${price:,.2f}" if price == 0 or price >= 0.995 else f"${price:.4f}"
