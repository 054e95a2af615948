"""What an output needs: walks back through the recorded graph, and the figures they give."""
