"""`keystone.staff.markup` in templates."""

from __future__ import annotations

from django.template import Library

from keystone.staff import markup

register = Library()
register.simple_tag(markup.link, name="row_link")
register.simple_tag(markup.list_link, name="list_link")
register.simple_tag(markup.address, name="row_address")
register.simple_tag(markup.moment, name="moment")
