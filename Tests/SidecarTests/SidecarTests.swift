// Tests of Sidecar.
