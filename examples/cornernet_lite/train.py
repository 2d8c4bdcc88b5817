"""Train a small network with the losses of CornerNet-Saccade or CornerNet, whichever samples the server makes.

    python -m examples.cornernet_lite.train http://cpu-host:8000 --steps 60

Needs PyTorch. `docs/cornernet-lite.md` shows how CornerNet-Lite's own `train.py` takes batches from a server.
"""

import argparse

import torch

from examples.cornernet_lite.losses import Losses, detection_losses
from examples.cornernet_lite.network import SmallNetwork
from saccade_sampler import TorchBatch, loader


def train_step(network: SmallNetwork, optimizer: torch.optim.Optimizer, batch: TorchBatch) -> Losses:
    """Train with a batch; return its losses."""
    [images] = batch.xs
    losses = detection_losses(network(images), batch.ys)
    optimizer.zero_grad()
    losses.total.backward()
    optimizer.step()
    return losses


def described(losses: Losses) -> str:
    """Return the losses as text."""
    terms = ", ".join(f"{name} {value.item():.3f}" for name, value in losses._asdict().items())
    return f"loss {losses.total.item():.3f} ({terms})"


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Train a small network with the published losses")
    parser.add_argument("url", help="the server, such as http://cpu-host:8000")
    parser.add_argument("--steps", type=int, default=60, help="number of training steps")
    parser.add_argument("--batch-size", type=int, default=8, help="samples of a step")
    parser.add_argument("--seed", type=int, default=7, help="seed of the samples and of the network")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="such as cuda or cpu")
    given = parser.parse_args()

    torch.manual_seed(given.seed)
    with loader(
        given.url, seed=given.seed, batch_size=given.batch_size, stop=given.steps, device=given.device
    ) as batches:
        spec = batches.spec()
        network = SmallNetwork(spec.config, spec.categories).to(given.device)
        optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
        for step, batch in enumerate(batches, start=1):
            losses = train_step(network, optimizer, batch)
            if step % 10 == 0 or step in (1, given.steps):
                print(f"step {step}: {described(losses)}")


if __name__ == "__main__":
    main()
