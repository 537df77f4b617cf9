"""What an operator configures (user_config, API keys) and a request may override."""
