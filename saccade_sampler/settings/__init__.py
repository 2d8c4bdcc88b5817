"""The command `settings`: every setting with its value and origin."""
