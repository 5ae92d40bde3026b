"""Records, errors, registries, artifact input and output, seeds: what every other package stands on."""
