"""What all analyses of the same data say together, in one sentence."""

from analysis.findings.sensitivity import Sensitivity
from analysis.report import number_format as fmt


def of_specifications(sensitivity: Sensitivity, arm: str) -> str:
    """Return how many analyses find what, how far their estimates reach, and the one test of all of them."""
    n, joint = len(sensitivity.specifications), sensitivity.joint
    if not n:
        return "No other analysis of these data can be made."
    estimates = [specification.interval.estimate for specification in sensitivity.specifications]
    better, worse, undecided = (sensitivity.count(finds) for finds in ("better", "worse", "undecided"))
    return (
        f"Of {n} analyses of the grid (endpoint, failures, cells and test combined), {better} find it better"
        f" {fmt.side(arm)}, {worse} worse and {undecided} neither, each at {fmt.level(sensitivity.alpha)}; estimates"
        f" run from {fmt.points(min(estimates))} to {fmt.points(max(estimates))} points. All at once,"
        f" {fmt.seeds(joint.n)}, sign-flip test: {fmt.p_equals(joint)}."
    )
