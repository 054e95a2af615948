"""What happens between the words that were typed and the function of a command."""
