"""What fields do: take the arguments, call the engine, return. They assemble Query, Mutation and Subscription."""
