"""Where the project's folders are, from whatever directory the kit is called; a shared name."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
RAW = DATA / "raw"
TRUTH = "truth.csv"
CODEBOOK = DATA / "codebook.yml"
FINDINGS = DATA / "findings.yml"
SCENARIOS = DATA / "scenarios.yml"
NOTEBOOKS = ROOT / "notebooks"
RESULTS = ROOT / "results"
VERDICT_RATES = DATA / "verdict_rates.csv"
UNSEEN_VARIABLE = "ALLIANCE_UNSEEN"  # of the environment; not empty: nobody will see the figures
