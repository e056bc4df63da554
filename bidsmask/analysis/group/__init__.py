"""The group level: from what participants have written to one decision about all of them.

Everything is read through `bidsmask.derivatives.read`; nothing else of a dataset is looked at, but
for its ``participants.tsv``.
"""
