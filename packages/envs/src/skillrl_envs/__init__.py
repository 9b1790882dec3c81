"""Text environments, prompts and rollouts for agents that learn skills."""
