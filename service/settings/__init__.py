"""Settings: environment variables with the prefix SAMPLER_, and the TOML file that SAMPLER_SETTINGS names."""
