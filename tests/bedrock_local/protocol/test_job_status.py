from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest

from bedrock_local.protocol.job_status import UNFINISHED, JobStatus, earlier, later


def test_the_statuses_are_those_of_the_service_model(session):
    model = session.client("bedrock").meta.service_model
    assert set(get_args(JobStatus)) == set(model.shape_for("ModelInvocationJobStatus").enum)


@pytest.mark.parametrize(("first", "second"), list(pairwise(UNFINISHED)))
def test_statuses_have_an_order(first, second):
    assert earlier(first, second) == earlier(second, first) == first
    assert later(first, second) == later(second, first) == second
