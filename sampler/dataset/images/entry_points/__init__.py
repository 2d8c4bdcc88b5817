"""Entry points into the data of JPEG files, from which a part of an image is decoded without the rest."""
