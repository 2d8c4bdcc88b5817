"""Train in a plain PyTorch loop, on one GPU or on the CPU. Started again, it resumes after the last saved step.

    python examples/plain_pytorch.py http://cpu-host:8000 --steps 10000 --checkpoint run.pt

The network is a stand-in that predicts heatmaps of top-left corners. Replace it and `loss_of` by those of a detector.
Needs PyTorch.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch

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
    """Train until the loader ends."""
    torch.manual_seed(given.seed)
    network = make_network(batches.spec()).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    if given.checkpoint.exists():
        state = torch.load(given.checkpoint, map_location=device)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        batches.load_state_dict(state["batches"])
        print(f"resumed at step {state['batches']['step']}")

    samples, began = 0, time.monotonic()
    for batch in batches:
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=given.amp):  # casts the float32 images by itself
            loss = loss_of(network(batch.images), batch.tl_heats)
        loss.backward()
        optimizer.step()
        samples += len(batch)
        done = batches.state_dict()["step"]  # the number of steps since step 0, whether or not this run made them
        if done % given.log_every == 0 or done == given.steps:
            # `item` waits for the GPU: call it now and then only.
            print(f"step {done}: loss {loss.item():.4f}, {samples / (time.monotonic() - began):.1f} samples/s")
        if done % given.save_every == 0 or done == given.steps:
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            save(given.checkpoint, state | {"batches": batches.state_dict()})


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Train in a plain PyTorch loop")
    parser.add_argument("urls", nargs="+", help="one server, such as http://cpu-host:8000, or several used as one")
    parser.add_argument("--steps", type=int, default=10_000, help="number of training steps")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step")
    parser.add_argument("--checkpoint", type=Path, default=Path("plain_pytorch.pt"), help="file to resume from")
    parser.add_argument("--save-every", type=int, default=500, help="steps between two checkpoints")
    parser.add_argument("--log-every", type=int, default=100, help="steps between two printed lines")
    parser.add_argument("--amp", action="store_true", help="compute in bfloat16 where that is accurate enough")
    parser.add_argument("--seed", type=int, default=7, help="seed of the samples and of the network")
    given = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with loader(given.urls, seed=given.seed, batch_size=given.batch_size, stop=given.steps, device=device) as batches:
        train(batches, given, device)


if __name__ == "__main__":
    main()
