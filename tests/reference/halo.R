# Reference numbers for the table of two traits by two raters of the shipped cohort. R 4.2, psych
# 2.2.9. From the repository's root:
#   .venv/bin/python - /tmp/halo <<'END'
#   import sys
#   from pathlib import Path
#   from itertools import chain
#   from alliance_helpers import open_cohort
#   study, out = open_cohort(), Path(sys.argv[1])
#   out.mkdir(exist_ok=True)
#   names = ["client_alliance", "case_manager_alliance", "client_outcome", "case_manager_outcome"]
#   study.dyads[names].to_csv(out / "scores.csv", index=False)
#   for name in names:
#       items, keys = study.items(name), study.codebook.scales[name].keys
#       for key in chain(*(k for part, k in keys.items() if part != "total" or len(keys) == 1)):
#           items.iloc[:, abs(key) - 1] *= 1 if key > 0 else -1
#       items.to_csv(out / f"{name}.csv", index=False)
#   END
#   Rscript tests/reference/halo.R /tmp/halo tests/reference/halo.csv
suppressMessages(library(psych))
args <- commandArgs(TRUE)
scores <- read.csv(file.path(args[1], "scores.csv"))
alphas <- sapply(names(scores), function(name) {
  items <- read.csv(file.path(args[1], paste0(name, ".csv")))
  suppressWarnings(alpha(items, warnings = FALSE)$total$raw_alpha)
})
raw <- cor(scores, use = "pairwise.complete.obs")
corrected <- correct.cor(raw, alphas)  # raw below the diagonal, corrected above it
pairs <- combn(names(scores), 2)
both <- paste(pairs[1, ], pairs[2, ], sep = ":")
out <- data.frame(dataset = "shipped",
                  statistic = rep(c("estimate", "corrected", "alpha"), c(6, 6, 4)),
                  term = c(both, both, names(alphas)),
                  value = sprintf("%.15g", c(raw[t(pairs)], corrected[t(pairs)], alphas)))
write.csv(out, args[2], row.names = FALSE, quote = FALSE)
