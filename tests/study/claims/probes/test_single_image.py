"""By running averages an image is answered alone as in a batch; by batch statistics it is not."""

import pytest
import torch
from torch import Tensor

from study.claims.networks import groups
from study.claims.probes import single_image
from study.claims.probes.single_image import changes, in_torch
from study.inference.evaluate import Group
from study.inference.modes import BatchStatistics, FixedStatistics
from study.spec.claims.experiments import PROBES, Extent
from tests.study.claims.probes.conftest import DIGITS, ContextOf


@pytest.fixture
def group(context_of: ContextOf) -> Group:
    return groups(context_of("single-image"), "post", [0], ["bn"])[0]


def test_no_class_depends_on_company(extent: Extent, context_of: ContextOf) -> None:
    units = PROBES["single-image"].units(DIGITS, extent)
    rows = [row for unit in units for row in single_image.measure(unit, context_of("single-image"))]
    assert [(row.measure, row.seed) for row in rows] == [
        (measure, seed) for seed in (0, 1) for measure in ("flips", "max_logit_change")
    ]
    assert {row.value for row in rows if row.measure == "flips"} == {0}
    assert max(row.value for row in rows) < 1e-3


def test_by_batch_statistics_many_do(group: Group) -> None:
    """Planted: the other mode, of the same networks on the same images."""

    def by_batch(images: Tensor) -> Tensor:
        return group.networks.logits(group.networks.inputs(images), BatchStatistics(len(images)))[0]

    found = changes(by_batch, group.test.images, 64, lambda: None)
    assert found.flips > len(group.test.labels) / 2
    assert found.max_logit_change > 1


def test_one_image_whose_class_depends_on_company_is_counted() -> None:
    images = torch.eye(3)[[0, 1, 1, 2]]
    assert changes(lambda some: some if len(some) > 1 else some.flip(1), images, 4, lambda: None) == (2, 1.0)


def test_the_network_in_torch_is_the_trained_one(group: Group) -> None:
    mode = FixedStatistics(group.statistics("running"))
    expected = group.networks.logits(group.networks.inputs(group.test.images), mode)[0]
    with torch.no_grad():
        torch.testing.assert_close(in_torch(group)(group.test.images), expected, rtol=1e-4, atol=1e-4)
