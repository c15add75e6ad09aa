"""The shop's pages."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from flagstaff.integrations.django import flag_required


def load_context(request):
    """Who is logged in is an attribute; the unit stays the visitor, before and after."""
    return {"user_id": request.session.get("user")}


def home(request):
    return render(request, "home.html")


@require_POST
def login(request):
    request.session["user"] = request.POST.get("user", "ada")
    return redirect("home")


async def old_checkout(_request):
    return HttpResponse("The old checkout")


@flag_required("new-checkout", otherwise=old_checkout)
async def checkout(_request):
    return HttpResponse("The new checkout")
