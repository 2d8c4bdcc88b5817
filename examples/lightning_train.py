"""Train with PyTorch Lightning. Started again, it resumes after the last saved step.

    python examples/lightning_train.py http://cpu-host:8000 --steps 10000 --checkpoints run

Lightning chooses the devices and starts one process for each GPU. Its checkpoints hold the state of the data module, so
training goes on at the exact next step. `--batch-size` is that of all processes together. The network is a stand-in, as
in `plain_pytorch.py`. Needs PyTorch and `lightning`.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from saccade_sampler import SamplerClient, ServiceSpec, TorchBatch
from saccade_sampler.lightning import SamplerDataModule


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


class Detector(pl.LightningModule):
    """The network, its loss and its optimizer."""

    def __init__(self, spec: ServiceSpec, batch_size: int, log_every: int) -> None:
        """Make the network. batch_size: of all processes together."""
        super().__init__()
        self.network = make_network(spec)
        self.batch_size = batch_size
        self.log_every = log_every
        self.samples, self.began = 0, time.monotonic()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.Adam(self.parameters(), lr=1e-2)

    def training_step(self, batch: TorchBatch[int]) -> torch.Tensor:
        """Return the loss of a batch."""
        # Gradients of the processes are averaged. With this factor, the result is that of the mean over all samples of
        # the step, even if the processes have different numbers of them.
        factor = len(batch) * self.trainer.world_size / self.batch_size
        return loss_of(self.network(batch.images), batch.tl_heats) * factor

    def on_train_start(self) -> None:
        """Say where a checkpoint resumes."""
        if self.global_step:
            self.print(f"resumed at step {self.global_step}")
        self.samples, self.began = 0, time.monotonic()

    def on_train_batch_end(self, outputs: Any, batch: TorchBatch[int], batch_idx: int) -> None:  # noqa: ARG002
        """Print the loss now and then. For curves, use `self.log` and a logger of Lightning."""
        self.samples += self.batch_size
        done = batch.step + 1
        if done % self.log_every == 0:
            speed = self.samples / (time.monotonic() - self.began)
            self.print(f"step {done}: loss {outputs['loss'].item():.4f}, {speed:.1f} samples/s")


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Train with PyTorch Lightning")
    parser.add_argument("urls", nargs="+", help="one server, such as http://cpu-host:8000, or several used as one")
    parser.add_argument("--steps", type=int, default=10_000, help="number of training steps")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step, of all processes together")
    parser.add_argument("--checkpoints", type=Path, default=Path("lightning_train"), help="folder to resume from")
    parser.add_argument("--save-every", type=int, default=500, help="steps between two checkpoints")
    parser.add_argument("--log-every", type=int, default=100, help="steps between two printed lines")
    parser.add_argument("--precision", default="32-true", help="of Lightning, such as bf16-mixed")
    parser.add_argument("--seed", type=int, default=7, help="seed of the samples and of the network")
    given = parser.parse_args()

    with SamplerClient(given.urls) as client:
        spec = client.spec()
    torch.manual_seed(given.seed)
    detector = Detector(spec, given.batch_size, given.log_every)
    data = SamplerDataModule(given.urls, seed=given.seed, batch_size=given.batch_size, stop=given.steps)
    trainer = pl.Trainer(
        max_steps=given.steps,
        precision=given.precision,
        callbacks=ModelCheckpoint(given.checkpoints, every_n_train_steps=given.save_every, save_last=True),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    last = given.checkpoints / "last.ckpt"
    trainer.fit(detector, datamodule=data, ckpt_path=last if last.exists() else None)


if __name__ == "__main__":
    main()
