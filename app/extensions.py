"""The extensions, unbound; `create_app` binds them. One set serves many apps, as Flask's own pattern has it."""

from flask_socketio import SocketIO

from app.mail import TimedMail

socketio = SocketIO()
mail = TimedMail()
