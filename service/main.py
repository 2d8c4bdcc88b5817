"""The entry point: `uvicorn service.main:app`."""

from service.app import create_app
from service.log_output import take_over_early

take_over_early()
app = create_app()
