"""The data dictionary behind `codebook`: its parts, its rules, and safe YAML."""
