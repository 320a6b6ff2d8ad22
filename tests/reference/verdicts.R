# Rscript tests/reference/verdicts.R > tests/reference/verdicts.csv
r <- .23; n <- 201; t <- r * sqrt((n - 2) / (1 - r^2))
limits <- tanh(atanh(r) + qnorm(c(.025, .975, .05, .95)) / sqrt(n - 3))
# The F that a block's true share of the variance falls below in 5 % of samples, where predictors are
# sampled with the people; six of 201, three beside five covariates of 60.
below <- function(f, df1, df2, theta, free)
  integrate(function(u) pf(f, df1, df2, ncp = theta * qchisq(u, free)), 0, 1, rel.tol = 1e-8)$value
critical <- function(df1, df2, bound, free)
  uniroot(function(f) below(f, df1, df2, bound / (1 - bound), free) - .05, c(.1, 5), tol = 1e-10)$root
value <- c(p = 2 * pt(-t, n - 2), conf_low = limits[1], conf_high = limits[2],
           low_90 = limits[3], high_90 = limits[4],
           block_critical = critical(6, 194, .09, 200),
           block_critical_with_covariates = critical(3, 51, .0625, 54))
cat("statistic,value\n")
cat(sprintf("%s,%.15g\n", names(value), value), sep = "")
