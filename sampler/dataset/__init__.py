"""COCO-format datasets: annotations, index, images, verification."""
