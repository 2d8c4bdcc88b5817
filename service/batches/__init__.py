"""From a batch request to the bytes of its response.

    parameters ─→ batch ─→ plan ─→ runs ─→ body

A request's parameters select a batch: its header and the keys of its samples. A plan cuts the batch into runs. A
worker makes each run in a slab of the arena; the body is those slabs' messages, in order, after a header and before
a trailer. Responses that need the same batch at the same time, or soon after one another, share its runs.
"""
