from django.urls import path

from shop import views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/<str:user>", views.login, name="login"),
    path("exports", views.start, name="start"),
    path("exports/<uuid:task_id>", views.show, name="show"),
]
