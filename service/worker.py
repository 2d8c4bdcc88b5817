"""The program of a worker process, which makes samples and what pages show."""

from sampler.ipc.child_process import run_child
from service.explorer.views import VIEWS
from service.workers.worker import serve

if __name__ == "__main__":
    run_child(lambda server: serve(server, VIEWS))
