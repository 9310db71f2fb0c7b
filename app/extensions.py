"""The Flask extensions, unbound; `create_app` binds them, to many apps if need be."""

from app.mail import TimedMail
from headway import Headway

headway = Headway()
mail = TimedMail()
