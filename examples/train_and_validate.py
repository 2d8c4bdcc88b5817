"""Train and validate with batches of one server that has the datasets `train` and `val`.

    python examples/train_and_validate.py http://cpu-host:8000 --steps 10000 --validate-every 1000

The network is a stand-in that predicts the heatmaps of top-left corners from a quarter of the pixels. Replace it and
`loss_of` by those of a detector. Needs PyTorch.
"""

import argparse
from collections.abc import Iterator

import torch

from saccade_sampler import SamplerClient, ServiceSpec, TorchBatch, loader


def make_network(categories: int) -> torch.nn.Module:
    """Return a small network from (B, 3, S, S) images to (B, C, S/4, S/4) logits of corners."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 4, stride=4),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, categories, 1),
    )


def loss_of(logits: torch.Tensor, batch: TorchBatch) -> torch.Tensor:
    """Return the loss against the heatmaps of a batch."""
    height, width = batch.tl_heats.shape[2:]
    resized = torch.nn.functional.interpolate(logits, (height, width))
    return torch.nn.functional.binary_cross_entropy_with_logits(resized, batch.tl_heats)


def validation_batches(client: SamplerClient, spec: ServiceSpec, size: int) -> Iterator[TorchBatch]:
    """Yield each image of the dataset once, without random decisions."""
    for first in range(0, spec.size, size):
        yield client.batch(indices=range(first, min(first + size, spec.size)), augment=False).torch()


def validate(network: torch.nn.Module, client: SamplerClient, batch_size: int) -> str:
    """Return the mean loss, and how often the strongest corner has the category of an annotation of its image."""
    spec, losses, hits = client.spec(), 0.0, 0
    for batch in validation_batches(client, spec, batch_size):
        with torch.no_grad():
            logits = network(batch.images)
        losses += float(loss_of(logits, batch)) * len(batch)
        strongest = logits[:, : len(spec.category_ids)].amax(dim=(2, 3)).argmax(dim=1).tolist()
        for plane, image in zip(strongest, client.images(key.index for key in batch.keys), strict=True):
            annotated = {annotation.category_id for annotation in image.annotations}
            hits += spec.category_ids[plane] in annotated
    return f"validation loss {losses / spec.size:.4f}, {hits} of {spec.size} images with a correct category"


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Train and validate with batches of one server")
    parser.add_argument("url", help="the server, such as http://cpu-host:8000")
    parser.add_argument("--steps", type=int, default=10_000, help="number of training steps")
    parser.add_argument("--validate-every", type=int, default=1_000, help="steps between two validations")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step")
    parser.add_argument("--seed", type=int, default=7, help="seed of the samples and of the network")
    given = parser.parse_args()

    torch.manual_seed(given.seed)
    with (
        SamplerClient(given.url, dataset="val") as validation,
        loader(
            given.url, dataset="train", seed=given.seed, batch_size=given.batch_size, stop=given.steps, device="cpu"
        ) as batches,
    ):
        if batches.spec().category_names != validation.spec().category_names:
            raise SystemExit("train and val have other categories; expected the same ones")
        network = make_network(batches.spec().categories)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
        for step, batch in enumerate(batches, start=1):
            optimizer.zero_grad()
            loss = loss_of(network(batch.images), batch)
            loss.backward()
            optimizer.step()
            if step % given.validate_every == 0 or step == given.steps:
                print(f"step {step}: loss {loss.item():.4f}, {validate(network, validation, given.batch_size)}")


if __name__ == "__main__":
    main()
