"""What the commands about the course itself do: every function takes the parsed options and returns the exit code."""
