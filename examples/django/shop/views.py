from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import get_script_prefix
from django.views.decorators.http import require_POST

from headway import token
from shop.tasks import export


def page(request: HttpRequest, **context: object) -> HttpResponse:
    user = request.session.get("user", "")
    if user:
        context["token"] = token(owner=user, read_only=False)
    context["headway"] = f"{get_script_prefix()}headway"
    return render(request, "page.html", {"user": user, **context})


def home(request: HttpRequest) -> HttpResponse:
    return page(request)


@require_POST
def login(request: HttpRequest, user: str) -> HttpResponse:
    request.session["user"] = user  # your project asks for a password
    return redirect("home")


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    user = request.session.get("user")
    if not user:
        return redirect("home")
    task = export.apply_async(headers={"headway_owner": user, "headway_title": "Export"})
    return redirect("show", task.id)


def show(request: HttpRequest, task_id: UUID) -> HttpResponse:
    return page(request, task_id=task_id)
