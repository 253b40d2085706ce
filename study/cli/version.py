"""Which version of the program is this? Its release and, in a checkout, its commit."""

from importlib.metadata import PackageNotFoundError, version

from study.runner import provenance

PACKAGE = "batch-norm-study"


def describe() -> str:
    """Return the package, its version and the commit that it was checked out at, if any."""
    try:
        release = version(PACKAGE)
    except PackageNotFoundError:  # run from a checkout
        release = "not installed"
    git = provenance.git()
    if git["commit"] is None:
        return f"{PACKAGE} {release}"
    return f"{PACKAGE} {release}, commit {git['commit'][:12]}{' with uncommitted changes' if git['dirty'] else ''}"
