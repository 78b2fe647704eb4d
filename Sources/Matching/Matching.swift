// Matching: string matchers and regular expressions, used wherever the configuration matches text.
