"""What synthetic studies are drawn from, and how: behind `simulate`."""
