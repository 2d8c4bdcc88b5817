"""Train and validate with the datasets `train` and `val` of one server, or of several that are used as one.

    python examples/train_and_validate.py http://cpu-host:8000 --steps 10000 --validate-every 1000

The network is a stand-in, as in `plain_pytorch.py`. Needs PyTorch.
"""

import argparse
import time
from collections.abc import Iterator

import torch

from saccade_sampler import Loader, SamplerClient, ServiceSpec, TorchBatch, loader


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


def validation_batches(client: SamplerClient, batch_size: int, device: torch.device) -> Iterator[TorchBatch]:
    """Yield each image of the dataset once, without random decisions."""
    size = client.spec().size
    for first in range(0, size, batch_size):
        yield client.batch(indices=range(first, min(first + batch_size, size)), augment=False).torch(device)


def validate(network: torch.nn.Module, client: SamplerClient, batch_size: int, device: torch.device) -> str:
    """Return the mean loss, and how often the strongest corner has the category of an annotation of its image."""
    spec, losses, hits = client.spec(), 0.0, 0
    for batch in validation_batches(client, batch_size, device):
        with torch.no_grad():
            logits = network(batch.images)
        losses += loss_of(logits, batch.tl_heats).item() * len(batch)
        strongest = logits[:, : len(spec.category_ids)].amax(dim=(2, 3)).argmax(dim=1).tolist()
        for plane, image in zip(strongest, client.images(key.index for key in batch.keys), strict=True):
            annotated = {annotation.category_id for annotation in image.annotations}
            hits += spec.category_ids[plane] in annotated
    return f"validation loss {losses / spec.size:.4f}, {hits} of {spec.size} images with a correct category"


def train(batches: Loader[TorchBatch], client: SamplerClient, given: argparse.Namespace, device: torch.device) -> None:
    """Train until the loader ends. client: of the dataset for validation."""
    if batches.spec().category_names != client.spec().category_names:
        raise SystemExit("train and val have other categories; expected the same ones")
    torch.manual_seed(given.seed)
    network = make_network(batches.spec()).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    samples, began = 0, time.monotonic()
    for step, batch in enumerate(batches, start=1):
        optimizer.zero_grad()
        loss = loss_of(network(batch.images), batch.tl_heats)
        loss.backward()
        optimizer.step()
        samples += len(batch)
        if step % given.validate_every == 0 or step == given.steps:
            print(f"step {step}: loss {loss.item():.4f}, {samples / (time.monotonic() - began):.1f} samples/s")
            print(f"step {step}: {validate(network, client, given.batch_size, device)}")


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Train and validate with the datasets train and val")
    parser.add_argument("urls", nargs="+", help="one server, such as http://cpu-host:8000, or several used as one")
    parser.add_argument("--steps", type=int, default=10_000, help="number of training steps")
    parser.add_argument("--validate-every", type=int, default=1_000, help="steps between two validations")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step")
    parser.add_argument("--seed", type=int, default=7, help="seed of the samples and of the network")
    given = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with (
        SamplerClient(given.urls, dataset="val") as client,
        loader(
            given.urls, dataset="train", seed=given.seed, batch_size=given.batch_size, stop=given.steps, device=device
        ) as batches,
    ):
        train(batches, client, given, device)


if __name__ == "__main__":
    main()
