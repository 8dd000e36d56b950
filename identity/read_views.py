"""The read routes of identity itself."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from identity.read_merges import MergeAnswer, merge_of
from keystone.openapi import describe, path
from keystone.reading import ReadView, found, path_uuid
from keystone.source import Source


@describe("getMerge", MergeAnswer, path("merge_id", "A merge.", OpenApiTypes.UUID), errors="404")
class MergeView(ReadView):
    """One merge: who became part of whom, and why.

    Of the identifiers that moved 1,000 are listed. A merge that is still to be done is `pending`;
    one that came to nothing is `failed`, and `error` says why in a word.
    """

    tag = "merges"

    def read(self, request: Request, source: Source, merge_id: str) -> MergeAnswer:
        """The merge."""
        return found(merge_of(source, path_uuid(merge_id)))
