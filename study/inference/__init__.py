"""What kept networks answer under other statistics and other images."""
