"""Pages to look at: what the contracts say of tasks, results, disputes, models and accounts."""
