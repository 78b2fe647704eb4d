// Sidecar: the composition root: bootstrap, workers, drain.
