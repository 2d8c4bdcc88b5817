"""The release: wheel and sdist are built, checked, installed and tried. `make dist` runs all of it."""
