"""What the kit's makers run: none of it is needed to use the kit."""
