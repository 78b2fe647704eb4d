// Tests of Metrics.
