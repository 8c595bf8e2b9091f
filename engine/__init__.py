"""What a job server is: states, store, worker, events, webhooks. Knows no HTTP framework and no GraphQL."""
