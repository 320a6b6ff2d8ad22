"""The figures behind `plots`: a result goes in, an Axes comes out."""
