"""SFT and GRPO for text agents with skills in context, on TRL."""
