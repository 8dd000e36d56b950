"""What every admin page stands on: who sees which organization, and pages that stay bounded."""

from __future__ import annotations
