"""The extensions, unbound; `create_app` binds them.

One set serves many apps, as Flask's own pattern has it.
"""

from app.mail import TimedMail
from headway.extension import Headway

headway = Headway()
mail = TimedMail()
