"""Train with Hugging Face Accelerate. Started again, it resumes after the last saved step.

    accelerate launch examples/accelerate_train.py http://cpu-host:8000 --steps 10000 --checkpoints run

Accelerate prepares the network and the optimizer. The loader needs no preparation: each process receives its own part
of every step, on its device. `--batch-size` is that of all processes together. The network is a stand-in, as in
`plain_pytorch.py`. Needs PyTorch and `accelerate`.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

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


def save(accelerator: Accelerator, folder: Path, step: int) -> None:
    """Write a checkpoint with everything that is prepared or registered. Every process calls this."""
    unfinished, finished = folder / "unfinished", folder / f"step-{step:08}"
    accelerator.save_state(str(unfinished))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        unfinished.rename(finished)  # a checkpoint with this name is complete
    accelerator.wait_for_everyone()


def train(accelerator: Accelerator, batches: Loader[TorchBatch], given: argparse.Namespace) -> None:
    """Train until the loader ends, as one of the processes."""
    torch.manual_seed(given.seed)
    network = make_network(batches.spec())
    network, optimizer = accelerator.prepare(network, torch.optim.Adam(network.parameters(), lr=1e-2))
    accelerator.register_for_checkpointing(batches)  # its state is saved and loaded with the rest
    if checkpoints := sorted(given.checkpoints.glob("step-*")):
        accelerator.load_state(str(checkpoints[-1]))
        accelerator.print(f"resumed at step {batches.state_dict()['step']}")

    samples, began = 0, time.monotonic()
    for batch in batches:
        optimizer.zero_grad()
        with accelerator.autocast():
            loss = loss_of(network(batch.images), batch.tl_heats)
        # Losses and gradients of the processes are averaged. With this factor, the results are those of the mean over
        # all samples of the step, even if the processes have different numbers of them.
        loss = loss * (len(batch) * accelerator.num_processes / given.batch_size)
        accelerator.backward(loss)
        optimizer.step()
        samples += given.batch_size
        done = batches.state_dict()["step"]
        if done % given.log_every == 0 or done == given.steps:
            mean: Any = accelerator.reduce(loss.detach(), "mean")
            speed = samples / (time.monotonic() - began)
            accelerator.print(f"step {done}: loss {mean.item():.4f}, {speed:.1f} samples/s")
        if done % given.save_every == 0 or done == given.steps:
            save(accelerator, given.checkpoints, done)


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Train with Hugging Face Accelerate")
    parser.add_argument("urls", nargs="+", help="one server, such as http://cpu-host:8000, or several used as one")
    parser.add_argument("--steps", type=int, default=10_000, help="number of training steps")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step, of all processes together")
    parser.add_argument("--checkpoints", type=Path, default=Path("accelerate_train"), help="folder to resume from")
    parser.add_argument("--save-every", type=int, default=500, help="steps between two checkpoints")
    parser.add_argument("--log-every", type=int, default=100, help="steps between two printed lines")
    parser.add_argument("--seed", type=int, default=7, help="seed of the samples and of the network")
    given = parser.parse_args()

    accelerator = Accelerator()
    with loader(
        given.urls, seed=given.seed, batch_size=given.batch_size, stop=given.steps, device=str(accelerator.device),
        rank=accelerator.process_index, world_size=accelerator.num_processes,
    ) as batches:  # fmt: skip
        train(accelerator, batches, given)
    accelerator.end_training()


if __name__ == "__main__":
    main()
