import os
from pathlib import Path
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from starlette.middleware.sessions import SessionMiddleware
from tasks import export

from headway import token

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=os.environ["SECRET_KEY"])
templates = Jinja2Templates(Path(__file__).parent / "templates")


def page(request: Request, **context: object) -> Response:
    user = request.session.get("user")
    if user:
        context["token"] = token(owner=user, read_only=False)
    context["headway"] = f"{request.scope['root_path']}/headway"
    return templates.TemplateResponse(request, "page.html", {"user": user, **context})


def redirect(request: Request, name: str, **params: str) -> Response:
    return RedirectResponse(request.url_for(name, **params), 303)


@app.get("/")
def home(request: Request) -> Response:
    return page(request)


@app.post("/login/{user}")
def login(request: Request, user: str) -> Response:
    request.session["user"] = user  # your project asks for a password
    return redirect(request, "home")


@app.post("/exports")
def start(request: Request) -> Response:
    user = request.session.get("user")
    if not user:
        return redirect(request, "home")
    task = export.apply_async(headers={"headway_owner": user, "headway_title": "Export"})
    return redirect(request, "show", task_id=task.id)


@app.get("/exports/{task_id}")
def show(request: Request, task_id: UUID) -> Response:
    return page(request, task_id=task_id)
