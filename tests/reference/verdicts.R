# Rscript tests/reference/verdicts.R > tests/reference/verdicts.csv
r <- .23; n <- 201; t <- r * sqrt((n - 2) / (1 - r^2))
limits <- tanh(atanh(r) + qnorm(c(.025, .975, .05, .95)) / sqrt(n - 3))
value <- c(p = 2 * pt(-t, n - 2), conf_low = limits[1], conf_high = limits[2],
           low_90 = limits[3], high_90 = limits[4],
           block_critical = qf(.05, 6, 194, ncp = 201 * .09 / .91))
cat("statistic,value\n")
cat(sprintf("%s,%.15g\n", names(value), value), sep = "")
