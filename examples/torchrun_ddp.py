"""Train with DistributedDataParallel, one process for each GPU. Started again, it resumes after the last saved step.

    torchrun --standalone --nproc-per-node 4 --max-restarts 3 examples/torchrun_ddp.py http://cpu-host:8000

Without a GPU, the processes use the CPU. `--batch-size` is that of all processes together. The samples of a step and
their mean loss do not depend on the number of processes, which may change from one start to the next. All processes
read the checkpoint, so it must be on a file system that all nodes share. The network is a stand-in, as in
`plain_pytorch.py`. Needs PyTorch.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from saccade_sampler import Loader, ServiceSpec, TorchBatch, loader


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


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint. If this is interrupted, the previous one stays."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    torch.save(state, unfinished)
    unfinished.replace(path)


def train(batches: Loader[TorchBatch], given: argparse.Namespace, device: torch.device) -> None:
    """Train until the loader ends, as one of the processes."""
    rank, processes = distributed.get_rank(), distributed.get_world_size()
    torch.manual_seed(given.seed)
    network = make_network(batches.spec()).to(device)
    shared = DistributedDataParallel(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    if given.checkpoint.exists():
        state = torch.load(given.checkpoint, map_location=device)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        batches.load_state_dict(state["batches"])  # of rank 0; valid for every rank of any number of processes
        if rank == 0:
            print(f"resumed at step {state['batches']['step']}, {processes} processes", flush=True)

    samples, began = 0, time.monotonic()
    for batch in batches:
        optimizer.zero_grad()
        # Losses and gradients of the ranks are averaged. With this factor, the results are those of the mean over all
        # samples of the step, even if the ranks have different numbers of them.
        loss = loss_of(shared(batch.images), batch.tl_heats) * (len(batch) * processes / given.batch_size)
        loss.backward()
        optimizer.step()
        samples += given.batch_size
        done = batches.state_dict()["step"]
        if done % given.log_every == 0 or done == given.steps:
            distributed.all_reduce(mean := loss.detach() / processes)
            speed = samples / (time.monotonic() - began)
            if rank == 0:
                print(f"step {done}: loss {mean.item():.4f}, {speed:.1f} samples/s, {processes} processes", flush=True)
        if rank == 0 and (done % given.save_every == 0 or done == given.steps):
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            save(given.checkpoint, state | {"batches": batches.state_dict()})


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Train with DistributedDataParallel")
    parser.add_argument("urls", nargs="+", help="one server, such as http://cpu-host:8000, or several used as one")
    parser.add_argument("--steps", type=int, default=10_000, help="number of training steps")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step, of all processes together")
    parser.add_argument("--checkpoint", type=Path, default=Path("torchrun_ddp.pt"), help="file to resume from")
    parser.add_argument("--save-every", type=int, default=500, help="steps between two checkpoints")
    parser.add_argument("--log-every", type=int, default=100, help="steps between two printed lines")
    parser.add_argument("--seed", type=int, default=7, help="seed of the samples and of the network")
    given = parser.parse_args()

    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))  # set by torchrun
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    # The loader takes rank and world size from torchrun's variables.
    with loader(given.urls, seed=given.seed, batch_size=given.batch_size, stop=given.steps, device=device) as batches:
        train(batches, given, device)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
