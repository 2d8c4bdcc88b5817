"""Jobs and replies survive the way between server and worker."""

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from sampler.stream.keys import SampleKey
from service.workers.protocol import Job


@given(st.builds(Job, st.sampled_from(["document", "picture"]),
                 st.builds(SampleKey, st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)),
                 st.booleans()))  # fmt: skip
def test_a_job_survives_the_way_to_a_worker(job: Job) -> None:
    assert Job.decode(msgpack.unpackb(job.encode(12))) == (12, job)
