// Metrics: counters, gauges and histograms in per-worker cells, merged on read.
