"""Numbers and names as the page shows them: points, intervals, p-values.

Accuracies are fractions in the data and percent on the page; a difference of percentages is in points. How many digits
an estimate gets follows from its interval: two significant digits of its half width, one where they begin with 36
or more (the rule of the Particle Data Group).
"""

import math
from collections.abc import Callable, Sequence

from analysis.records.tables import ENDPOINTS
from analysis.stats.intervals import Interval
from analysis.stats.paired_tests import Test
from study.spec.arms import ARMS, DEFAULT_ARMS
from study.spec.datasets import DATASETS
from study.spec.design import Design
from study.spec.factors import Cell, Factor, in_words

NO_NUMBER = "–"
MAX_DIGITS = 4


def digits(low: float, high: float, scale: float = 100) -> int:
    """Return the decimals for what lies in the interval, in units of 1/``scale``; 2 where there is no interval.

    >>> digits(0.1337, 0.1756), digits(0.0040, 0.0054), digits(0.6, 0.94)
    (1, 2, 0)
    """
    half = scale * (high - low) / 2
    if not half > 1e-12 * scale * max(abs(low), abs(high)) or math.isinf(half):
        return 2
    exponent = math.floor(math.log10(half))
    leading = round(half / 10.0 ** (exponent - 2))
    wanted = 1 - exponent if leading < 355 or leading >= 950 else -exponent
    return min(max(wanted - (leading >= 950), 0), MAX_DIGITS)


def percent(fraction: float | None, places: int = 2) -> str:
    """Return a fraction in percent.

    >>> percent(0.97164)
    '97.16 %'
    """
    return NO_NUMBER if fraction is None or math.isnan(fraction) else f"{100 * fraction:.{places}f} %"


def points(fraction: float | None, places: int = 2) -> str:
    """Return a fraction in points, with its sign.

    >>> points(0.01934), points(-0.004), points(-0.00001)
    ('+1.93', '-0.40', '0.00')
    """
    return signed(math.nan if fraction is None else 100 * fraction, places)


def points_of(interval: Interval) -> str:
    """Return the estimate of an interval in points, with as many digits as its ends allow."""
    return points(interval.estimate, digits(interval.low, interval.high))


def signed(value: float, places: int = 2) -> str:
    if math.isnan(value):
        return NO_NUMBER
    text = f"{value:+.{places}f}"
    return text[1:] if float(text) == 0 else text


def interval(low: float, high: float) -> str:
    """Return an interval in points.

    >>> interval(0.0172, 0.0214), interval(0.1337, 0.1756)
    ('[+1.72, +2.14]', '[+13.4, +17.6]')
    """
    places = digits(low, high)
    return _ends(low, high, lambda end: points(end, places))


def estimate(value: float, low: float, high: float) -> str:
    """Return an estimate in points, with its interval where there is one.

    >>> estimate(0.1547, 0.1337, 0.1756)
    '+15.5 [+13.4, +17.6]'
    """
    places = digits(low, high)
    return _with_ends(points(value, places), interval(low, high))


def share(value: float, low: float, high: float) -> str:
    """Return an estimate in percent, with its interval where there is one.

    >>> share(0.9713, 0.9664, 0.9762)
    '97.1 % [96.6, 97.6]'
    """
    places = digits(low, high)
    return _with_ends(percent(value, places), _ends(low, high, lambda end: f"{100 * end:.{places}f}"))


def number(value: float, low: float, high: float) -> str:
    """Return an estimate as it is, with its interval where there is one."""
    places = digits(low, high, scale=1)
    return _with_ends(signed(value, places), _ends(low, high, lambda end: signed(end, places)))


def size(value: float, low: float, high: float) -> str:
    """Return an estimate that has no sign, with its interval where there is one."""
    places = digits(low, high, scale=1)
    text = NO_NUMBER if math.isnan(value) else f"{value:.{places}f}"
    return _with_ends(text, _ends(low, high, lambda end: f"{end:.{places}f}"))


def _ends(low: float, high: float, text: Callable[[float], str]) -> str:
    return NO_NUMBER if not math.isfinite(low) or not math.isfinite(high) else f"[{text(low)}, {text(high)}]"


def _with_ends(text: str, ends: str) -> str:
    return text if NO_NUMBER in (text, ends) else f"{text} {ends}"


def or_nothing(show: Callable[..., str]) -> Callable[..., str]:
    """Return ``show`` of an estimate and its ends, with NO_NUMBER where there is none."""
    return lambda value, low, high: NO_NUMBER if value is None else show(value, low, high)


def as_triple(interval: Interval) -> tuple[float, float, float]:
    """Return estimate and ends, as ``estimate``, ``share`` and ``number`` take them."""
    return interval.estimate, interval.low, interval.high


def p_value(p: float | None) -> str:
    """Return a p-value.

    >>> p_value(0.0312), p_value(0.00002), p_value(0.7)
    ('0.031', '< 0.001', '0.70')
    """
    if p is None or math.isnan(p):
        return NO_NUMBER
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_fraction(p: float | None, n_extreme: int | None = None, n_total: int | None = None) -> str:
    """Return an exact p as the fraction that it is.

    >>> p_fraction(0.001953125, 2, 1024)
    '2/1024 = 0.002'
    """
    value = p_value(p)
    if value == NO_NUMBER or n_total is None:
        return value
    return f"{n_extreme}/{n_total} {'' if value.startswith('<') else '= '}{value}"


def p_equals(test: Test) -> str:
    """Return p as a sentence has it.

    >>> p_equals(Test("paired t", 10, 16.7, 4e-8)), p_equals(Test("sign-flip", 10, 0.15, 2 / 1024, 9, 2, 1024))
    ('p < 0.001', 'p = 2/1024 = 0.002')
    """
    text = p_fraction(test.pvalue, test.n_extreme, test.n_total)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def decimals(value: float | None) -> str:
    """Return a number with two decimals.

    >>> decimals(1.2345), decimals(float("nan"))
    ('1.23', '–')
    """
    return NO_NUMBER if value is None or math.isnan(value) else f"{value:.2f}"


def count(n: int | None) -> str:
    return NO_NUMBER if n is None else f"{n:,}"


def seeds(n: int) -> str:
    """Return a number of seeds.

    >>> seeds(1), seeds(10)
    ('1 seed', '10 seeds')
    """
    return "1 seed" if n == 1 else f"{n:,} seeds"


def sentence(text: str) -> str:
    """Return the text as a sentence begins."""
    return text[:1].upper() + text[1:]


def units(n: int, plural: str) -> str:
    """Return a number of independent units, whose name is given in the plural.

    >>> units(1, "seeds"), units(6, "searches")
    ('1 seed', '6 searches')
    """
    one = plural.removesuffix("es") if plural.endswith("ches") else plural.removesuffix("s")
    return f"1 {one}" if n == 1 else f"{n:,} {plural}"


def margin(fraction: float) -> str:
    """Return a margin in points.

    >>> margin(0.002), margin(0.01)
    ('0.2 points', '1 point')
    """
    return "1 point" if fraction == 0.01 else f"{100 * fraction:g} points"


def settings(n: int) -> str:
    """Return a number of settings.

    >>> settings(1), settings(9)
    ('the one setting', '9 settings')
    """
    return "the one setting" if n == 1 else f"{n:,} settings"


def rate(fraction: float) -> str:
    """Return a share in percent with two significant digits.

    >>> rate(0.00768), rate(0.2589), rate(0.0213), rate(1.0)
    ('0.77 %', '26 %', '2.1 %', '100 %')
    """
    return f"{float(f'{100 * fraction:.2g}'):g} %"


def trials(n: int) -> str:
    """Return a number of trials.

    >>> trials(1), trials(64)
    ('1 trial', '64 trials')
    """
    return "1 trial" if n == 1 else f"{n:,} trials"


def text(value: object) -> str:
    return NO_NUMBER if value is None else str(value)


def cell(cell: Cell | None) -> str:
    """Return the name of a cell.

    >>> cell(Cell(32, 0.01)), cell(None)
    ('batch size 32, rate 0.01', 'all settings')
    """
    return in_words(cell)


def listing(items: Sequence[str]) -> str:
    """Return the items as a list in a sentence.

    >>> listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join([*filter(None, [", ".join(items[:-1])]), *items[-1:]])


def level(fraction: float) -> str:
    """Return a level in percent.

    >>> level(0.95), level(0.975)
    ('95 %', '97.5 %')
    """
    return f"{round(100 * fraction, 6):g} %"


def side(arm: str) -> str:
    """Return the short name of an arm.

    >>> side("bn"), both("no_bn", "bn"), arm_name("bn")
    ('with BN', 'without | with', 'batch normalisation')
    """
    return ARMS[arm].short


def tags(baseline: str, arm: str) -> tuple[str, str]:
    """Return what tells the two arms apart: ``without`` alone where the other one is with the same thing."""
    if is_its_absence(baseline, arm):
        return ARMS[baseline].tag, ARMS[arm].tag
    return side(baseline), side(arm)


def both(baseline: str, arm: str) -> str:
    """Return the head of a column that holds a number of either arm."""
    return " | ".join(tags(baseline, arm))


def arm_name(arm: str) -> str:
    return ARMS[arm].name


def every_arm(arms: Sequence[str]) -> str:
    return "all arms" if len(arms) > 2 else "both arms"


def treatments(arms: Sequence[str], baseline: str) -> list[str]:
    """Return the names of what is asked about; of a baseline alone, of what a study compares it with by default.

    >>> treatments(["bn", "no_bn"], "no_bn"), treatments(["no_bn"], "no_bn")
    (['batch normalisation'], ['batch normalisation'])
    """
    return [ARMS[arm].name for arm in arms if arm != baseline] or treatments(DEFAULT_ARMS, baseline)


def is_its_absence(baseline: str, arm: str) -> bool:
    """Return whether the baseline is the same without the thing that the arm is.

    >>> is_its_absence("no_bn", "bn"), is_its_absence("bn", "no_bn")
    (True, False)
    """
    return arm_name(baseline) == f"no {arm_name(arm)}"


def activation(design: Design) -> str:
    """Return what stands behind the units of a network, unless the study varies it."""
    return "" if settled(design, "activation") or design.network is not None else " with ReLU"


def network(design: Design) -> str:
    """Return a network as a sentence names it: by its widths, or by the function that makes it."""
    return "-".join(map(str, design.widths)) if design.network is None else design.network.name


def settled(design: Design, what: str) -> bool:
    """Return whether a factor of the study settles something of the training, which is then not the same in all runs.

    >>> settled(Design("digits"), "activation"), settled(Design("digits", vary={"activation": ["tanh"]}), "activation")
    (False, True)
    """
    return any(what in factor.settles for factor in design.factors)


def levels_of(factor: Factor) -> str:
    """Return the name of a factor's levels, in the plural.

    >>> from study.spec.factors import FACTORS
    >>> levels_of(FACTORS["lr"])
    'learning rates'
    """
    return factor.axis if factor.axis.endswith("s") else f"{factor.axis}s"


def dataset(key: str) -> str:
    return DATASETS[key].name if key in DATASETS else key


def endpoint(name: str) -> str:
    return ENDPOINTS[name]
