"""Train on a cluster of Ray, with as many workers as it has room for.

    python examples/ray_train.py http://cpu-host:8000 --steps 10000 --workers 1 8 --storage /shared/runs

If a node is lost, Ray restarts the training from the last checkpoint with the workers that are left, and adds workers
again when there is room. The samples of a step and their gradient are the same for any number of workers. The network
is a stand-in, as in `plain_pytorch.py`. Needs PyTorch and `ray[train]`.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig

from saccade_sampler import ServiceSpec, loader


def make_network(spec: ServiceSpec) -> torch.nn.Module:
    """Return a small network from images (B, 3, S, S) to logits of corners (B, C, H, W)."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 7, stride=4, padding=3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, spec.categories, 1),
        torch.nn.AdaptiveAvgPool2d(spec.config.output_size),
    )


def loss_of(logits: torch.Tensor, heats: torch.Tensor) -> torch.Tensor:
    """Return the mean loss against heatmaps of corners."""
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, heats)


def save(state: dict[str, Any], metrics: dict[str, float]) -> None:
    """Report metrics, with the state as a checkpoint. Every rank calls this; the state is that of rank 0."""
    if ray.train.get_context().get_world_rank() > 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        torch.save(state, Path(folder, "state.pt"))
        ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder))


def restored() -> dict[str, Any] | None:
    """Return the state of the last checkpoint, if there is one."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return None
    with checkpoint.as_directory() as folder:
        state: dict[str, Any] = torch.load(Path(folder, "state.pt"))
        return state


def train(given: dict[str, Any]) -> None:
    """Train as one of the workers."""
    context = ray.train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    device = ray.train.torch.get_device()
    batches = loader(
        given["url"], seed=given["seed"], batch_size=given["batch_size"], rank=rank, world_size=workers,
        stop=given["steps"], device=str(device),
    )  # fmt: skip
    torch.manual_seed(given["seed"])
    network = make_network(batches.spec())
    shared = ray.train.torch.prepare_model(network)  # a single worker gets the network itself: save only `network`
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    if (state := restored()) is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        batches.load_state_dict(state["batches"])  # of rank 0, of any number of workers
        if rank == 0:
            print(f"resumed at step {state['batches']['step']}, workers: {workers}", flush=True)
    with batches:
        for batch in batches:
            optimizer.zero_grad()
            loss = loss_of(shared(batch.images), batch.tl_heats)
            # The ranks' gradients are averaged. With this factor, that is the mean over all samples of the step, even
            # if the ranks have different numbers of them.
            (loss * len(batch) * workers / given["batch_size"]).backward()
            optimizer.step()
            done = batches.state_dict()["step"]
            if done % given["save_every"] == 0 or done == given["steps"]:
                if rank == 0:
                    print(f"step {done}: loss {loss.item():.4f}, workers: {workers}", flush=True)
                state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
                save(state | {"batches": batches.state_dict()}, {"step": done, "loss": loss.item()})


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Train on a cluster of Ray")
    parser.add_argument("url", help="the server, such as http://cpu-host:8000")
    parser.add_argument("--steps", type=int, default=10_000, help="number of training steps")
    parser.add_argument("--workers", type=int, nargs=2, default=(1, 8), help="fewest and most workers")
    parser.add_argument("--gpu", action="store_true", help="give each worker a GPU")
    parser.add_argument("--storage", required=True, help="folder for checkpoints, which all nodes reach")
    parser.add_argument("--save-every", type=int, default=500, help="steps between two checkpoints")
    parser.add_argument("--failures", type=int, default=3, help="restarts after which the training fails")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step, of all workers together")
    parser.add_argument("--seed", type=int, default=7, help="seed of the samples and of the network")
    given = parser.parse_args()

    trainer = ray.train.torch.TorchTrainer(
        train,
        train_loop_config=vars(given),
        scaling_config=ScalingConfig(num_workers=tuple(given.workers), use_gpu=given.gpu),
        run_config=RunConfig(storage_path=given.storage, failure_config=FailureConfig(max_failures=given.failures)),
    )
    metrics = trainer.fit().metrics
    assert metrics is not None  # the workers report at the last step
    print(f"trained to step {metrics['step']}, loss {metrics['loss']:.4f}")


if __name__ == "__main__":
    main()
