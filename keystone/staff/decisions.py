"""What staff decide about a row: each decision asks first, takes a role, and is written down.

A decision has an address below its row's. GET shows what would happen and changes nothing; POST
does it, once: whoever comes second reads that it is done. Who decided what is in the row's
history, by ids only, so that nothing there has to be erased with a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.enums import ActionVariant

from keystone.models import Membership
from keystone.staff.admin import StaffAdmin
from keystone.staff.markup import short
from keystone.staff.reach import reach_of

M = TypeVar("M", bound=Model)


class Refused(Exception):
    """It cannot be done; the message tells staff why."""


class Decision(Generic[M]):
    """One thing that staff may do to a row. A subclass says when, what it shows, what it does."""

    #: Its part of the address.
    name: ClassVar[str]
    #: What the button says that leads to it, and the one that does it.
    title: ClassVar[str]
    button: ClassVar[str]
    icon: ClassVar[str]
    #: What is asked.
    question: ClassVar[str]
    #: What asks. Extends `staff/decision.html`.
    template: ClassVar[str] = "staff/decision.html"
    role: ClassVar[str] = Membership.Role.EDITOR
    is_danger: ClassVar[bool] = False

    def why_not(self, row: M) -> str | None:
        """Say why there is nothing to decide (any more); the button is not there then."""
        return None

    def ask(self, request: HttpRequest, row: M) -> dict[str, Any]:
        """Return what the template shows; with an empty `button` it cannot be done yet."""
        return {}

    def do(self, request: HttpRequest, row: M) -> str:
        """Do it and say what was done, by ids only; raises `Refused`."""
        raise NotImplementedError


class DecidingAdmin(StaffAdmin):
    """A page over rows about which staff decide something."""

    decisions: ClassVar[Sequence[Decision[Any]]] = ()

    @property
    def has_history(self) -> bool:
        """Yes: that is where decisions are."""
        return True

    def get_urls(self) -> list[URLPattern]:
        """Add an address for each decision."""
        return [*(self._url(each) for each in self.decisions), *super().get_urls()]

    def _url(self, decision: Decision[Any]) -> URLPattern:
        view = self.admin_site.admin_view(partial(self.decide, decision=decision))
        address = f"<path:object_id>/{decision.name}/"
        pattern: URLPattern = path(address, view, name=self._route(decision))
        return pattern

    def _route(self, decision: Decision[Any]) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{decision.name}"

    def may_decide(self, request: HttpRequest, decision: Decision[Any], row: Model) -> bool:
        """Say whether the user has the role that it takes, where the row belongs."""
        return reach_of(request.user).may(decision.role, self.organization_of(row))

    def decide(
        self, request: HttpRequest, object_id: str, *, decision: Decision[Any]
    ) -> HttpResponse:
        """Ask (GET), or do it (POST)."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.may_decide(request, decision, row):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if why := decision.why_not(row):
            messages.warning(request, why)
        elif request.method == "POST":
            self._do(request, decision, row)
        else:
            return self._ask(request, decision, row)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", row.pk)

    def _do(self, request: HttpRequest, decision: Decision[Any], row: Model) -> None:
        try:
            said = decision.do(request, row)
        except Refused as refused:
            messages.warning(request, str(refused))
            return
        write_down(request, row, said)
        messages.success(request, said)

    def _ask(self, request: HttpRequest, decision: Decision[Any], row: Model) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **{"title": decision.title, "opts": self.opts, "original": row, "decision": decision},
            **{"media": self.media, "question": decision.question, "button": decision.button},
            "back": reverse(
                f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk]
            ),
            **decision.ask(request, row),
        }
        return TemplateResponse(request, decision.template, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponse:
        """Put the decisions that are open on top, as buttons."""
        row = context.get("original")
        if row is not None:
            context["actions_detail"] = self.buttons(request, row)
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    def buttons(self, request: HttpRequest, row: Model) -> list[dict[str, Any]]:
        """Return the decisions that are open to the user, as the theme wants its buttons."""
        return [
            {
                "title": each.title,
                "icon": each.icon,
                "variant": ActionVariant.DANGER if each.is_danger else ActionVariant.DEFAULT,
                "path": reverse(f"admin:{self._route(each)}", args=[row.pk]),
            }
            for each in self.decisions
            if self.may_decide(request, each, row) and each.why_not(row) is None
        ]


def staff(request: HttpRequest) -> str:
    """Write who decided, as rows keep it."""
    return f"staff {request.user.get_username()}"


def write_down(request: HttpRequest, row: Model, said: str) -> None:
    """Keep in the row's history what was done; Django would also keep what the row is called."""
    if isinstance(request.user, User):
        LogEntry.objects.create(
            user=request.user,
            content_type=ContentType.objects.get_for_model(row),
            object_id=str(row.pk),
            object_repr=short(row.pk),
            action_flag=CHANGE,
            change_message=said,
        )
